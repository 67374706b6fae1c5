"""Bad days in booted kernels: numbers used again, other devices, other guards, a kernel that lacks a hook."""

import errno
import json
from typing import Any

import pytest

from kernels.machine import Machine
from kernels.matrix import Boot

_NO, _OTHERS = errno.EPERM, errno.EACCES


@pytest.fixture(scope="module")
def seen(booted: tuple[Machine, Boot]) -> dict[str, Any]:
    """What came of them in this machine."""
    machine, boot = booted
    if boot.backend != "lsm":
        pytest.skip("hooks claims less: docs/coverage.md")
    done = machine.run("python3", "/opt/guest/days.py", seconds=900, PYTHONPATH="/opt/pratique")
    assert done.status == 0, done.output
    found: dict[str, Any] = json.loads(done.output.splitlines()[-1])
    return found


def test_overlay_and_subvolume_are_homes_like_others(seen: dict[str, Any]) -> None:
    """Whatever device `stat` shows: the secret is refused to package code, not to others, and not its neighbour."""
    files = seen["files"]
    assert files["unlabelled"] == ["canary"] * 3
    assert files["refused"] == [_NO] * 3
    assert files["twins"] == [0] * 3


def test_a_secret_that_moved_is_still_one(seen: dict[str, Any]) -> None:
    """Copied up by a write and then replaced on overlayfs; bound elsewhere after the start."""
    files = seen["files"]
    assert (files["copied_up"], files["bound"]) == (_NO, _NO)


def test_a_number_used_again_means_nothing(seen: dict[str, Any]) -> None:
    """The deleted secret's inode number on a harmless file refuses nobody; a new secret by its name is refused."""
    assert (seen["files"]["reused"], seen["files"]["made_again"]) == (0, _NO)


def test_a_new_home_is_guarded(seen: dict[str, Any]) -> None:
    """Made in mid-run where root keeps homes: within seconds its secret is refused, its other files are not."""
    files = seen["files"]
    assert (files["late_before"], files["late"]) == (0, [_NO, 0])


def test_another_modules_denial_stays(seen: dict[str, Any]) -> None:
    """What Landlock refuses and our policy does not mind stays refused, with Landlock's own error."""
    files = seen["files"]
    assert files["another_module"] == _OTHERS
    assert files["both"] in (_NO, _OTHERS)


def test_two_guards_do_not_undo_each_other(seen: dict[str, Any]) -> None:
    """A second one, attached behind the first and taken off again, changes nothing for the first one's tree."""
    assert seen["guards"] == {"alone": _NO, "beside": [_NO, _NO], "after": _NO}


def test_a_missing_hook_costs_its_acts_only(seen: dict[str, Any]) -> None:
    """As on an older kernel: the row is weaker and said to be, everything else loads and refuses."""
    hook = seen["hook"]
    assert (hook["said"], hook["refused"]) == (1, _NO)
    assert hook["levels"].pop("ipc.connect") != "enforced"
    assert set(hook["levels"].values()) == {"enforced"}
