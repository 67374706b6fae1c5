"""The line of a refused first run on `lsm`, in booted kernels: exact where nobody minds, and nobody stays stopped."""

import json
from typing import Any

import pytest

from kernels.machine import Machine
from kernels.matrix import Boot

_THEFT = "loot = open("
_LONGEST = 3.0
"""Seconds, on an emulated processor; the guardian lets go after half a one."""


@pytest.fixture(scope="module")
def seen(booted: tuple[Machine, Boot]) -> dict[str, Any]:
    """What came of all of them in this machine."""
    machine, boot = booted
    if boot.backend != "lsm":
        pytest.skip("tests/root proves lines on hooks")
    done = machine.run("python3", "/opt/guest/lines.py", seconds=1200, PYTHONPATH="/opt/pratique")
    assert done.status == 0, done.output
    found: dict[str, Any] = json.loads(done.output.splitlines()[-1])
    return found


def test_nothing_is_taken_that_is_taken_without_a_guard(seen: dict[str, Any]) -> None:
    """Every way to a first run ends well under the guard; afterwards each of them has the secret."""
    assert set(seen["installed"]) == {0}
    assert set(seen["status"].values()) == {0}
    assert not seen["taken"]
    assert seen["control"] == 5, seen["said"]


@pytest.mark.parametrize(
    ("way", "package", "file"),
    [
        ("import", "lurker", "lurker.py"),
        ("pth", "riser", "riser.py"),
        ("script", "teller", "teller.py"),
        ("shell", "lurker", "lurker.py"),
    ],
)
def test_the_exact_line_is_told(seen: dict[str, Any], way: str, package: str, file: str) -> None:
    """Of an import, a `.pth`, a script, and of what a shell script starts: the line that opens the secret."""
    told = seen["told"][way]
    exact = [line for line in told if line["quality"] == "exact"]
    assert {line["package"] for line in told} == {f"pkg:pypi/{package}@1.0"}
    assert {(line["file"], line["text"][: len(_THEFT)]) for line in exact} == {(file, _THEFT)}, told


@pytest.mark.parametrize("way", ["job", "nsenter"])
def test_who_would_be_minded_is_not_stopped(seen: dict[str, Any], way: str) -> None:
    """A job of a shell, and the child of who waits for stops: refused like others, with no exact line."""
    assert {line["quality"] for line in seen["told"][way]} <= {"sampled", None}
    assert seen["another group"] == 0


def test_a_loop_of_refusals_is_not_one_of_stops(seen: dict[str, Any]) -> None:
    """Twenty refusals, at most eight stops; without a guard none."""
    assert 1 <= seen["storm"] <= 8
    assert seen["unguarded"] == 0


@pytest.mark.parametrize("day", ["hung", "killed"])
def test_nobody_stays_stopped_without_the_daemon(seen: dict[str, Any], day: str) -> None:
    """Stopped for its line when the daemon was frozen, or killed: it goes on in a moment."""
    assert seen[day]["stopped"]
    assert seen[day]["after"] is not None
    assert seen[day]["after"] < _LONGEST


def test_who_was_stopped_by_its_user_stays_so(seen: dict[str, Any]) -> None:
    """A stop by somebody else outlasts ours."""
    assert seen["user"] == {"stopped": True, "left": True, "then": True}


def test_the_next_daemon_lets_go(seen: dict[str, Any]) -> None:
    """Daemon and guardian killed at once leave somebody stopped until then."""
    assert seen["orphaned"] == {"stopped": True, "left": True, "next": True}
