"""How a command begins: nothing is collected while it is imported; what lives on is collected again."""

import gc
import sys
from collections.abc import Iterator

import pytest

from pratique import cli, entry


class _Ended(Exception):  # noqa: N818 (it is what the process would do)
    """In place of the end of the process."""


@pytest.fixture
def collecting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Whether reference cycles are collected while a command is at work."""
    seen: list[bool] = []

    def end(_status: int) -> None:
        raise _Ended

    def main() -> int:
        seen.append(gc.isenabled())
        return 0

    monkeypatch.setattr(entry.os, "_exit", end)
    monkeypatch.setattr(entry.os, "geteuid", lambda: 1)
    monkeypatch.setattr(cli, "main", main)
    yield seen
    gc.enable()


@pytest.mark.parametrize(
    ("command", "collected"), [("run", False), ("daemon", True), ("uplink", True), ("top", True)]
)
def test_what_lives_for_months_collects(
    monkeypatch: pytest.MonkeyPatch, collecting: list[bool], command: str, collected: bool
) -> None:
    """A run turns it on by itself, when its command is at work; a daemon that never did grew with each run."""
    monkeypatch.setattr(sys, "argv", ["pratique", command])
    with pytest.raises(_Ended):
        entry.entry()

    assert collecting == [collected]
