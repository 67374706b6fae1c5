"""Hosts that refuse the kernel programs, simulated where doing it for real would harm the machine under test."""

import os
from pathlib import Path

import pytest

from pratique.backends.hooks import loaded as module
from pratique.backends.hooks.plan import Plan
from pratique.backends.hooks.probes import Probes
from pratique.errors import GuardError

_PLAN = Plan(groups=(), rules=(), networks=(), ports=(), cells=(), audit=False)


class _Exclusive:
    """The loaded programs, where somebody's exclusive program holds the root: every attach is EPERM."""

    def attach_cgroup(self, name: str, root: int) -> object:
        raise PermissionError(1, "Operation not permitted")


def test_exclusive_program_at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """A foreign cgroup program attached without `multi` stops the run, and the message says how to find it."""
    monkeypatch.setattr(module, "open_root", lambda: os.open("/", os.O_RDONLY))
    probes = Probes(_PLAN, 1, ())
    monkeypatch.setattr(probes, "_object", _Exclusive())

    with pytest.raises(GuardError, match=r"exclusively at the root.*bpftool cgroup") as caught:
        probes._attach_cgroup()
    assert caught.value.mend


@pytest.mark.parametrize(
    ("lockdown", "mend"),
    [
        ("none integrity [confidentiality]\n", "lockdown is in confidentiality mode"),
        ("none [integrity] confidentiality\n", "pratique doctor"),
        (None, "pratique doctor"),
    ],
)
def test_lockdown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lockdown: str | None, mend: str) -> None:
    """Under lockdown in confidentiality mode the refusal names it; under another mode it is not blamed."""
    state = tmp_path / "lockdown"
    if lockdown is not None:
        state.write_text(lockdown, encoding="ascii")
    monkeypatch.setattr(module, "_LOCKDOWN", state)

    error = module._refused(PermissionError(1, "Operation not permitted"), "")

    assert isinstance(error, GuardError)
    assert "Operation not permitted" in error.what
    assert mend in error.mend
