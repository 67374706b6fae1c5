"""Ways around `rootless` in booted kernels: no tier lets one through that it does not own up to."""

import json

import pytest

from kernels.machine import Machine
from kernels.matrix import Boot
from kernels.parity import Parity

_LEVELS = {"through": "blind", "refused": "enforced", "killed": "killed-before"}
# A name from before the run, asked for so that nobody but Landlock answers: it knows objects by where they lie.
_BY_LANDLOCK = {1: {"old_hard_link_resolved"}, 2: {"old_hard_link_resolved"}}


def test_no_way_around(booted: tuple[Machine, Boot], parity: Parity) -> None:
    """Names, entries, kinds of sends, other processes: each works unguarded; guarded those alone that are told of."""
    machine, boot = booted
    if not boot.tier:
        pytest.skip("test_tricks.py plays those of root")
    done = machine.run("python3", "/opt/guest/ways.py", user=boot.user, seconds=600, **boot.environment)
    assert done.status == 0, done.output
    found = json.loads(done.output.splitlines()[-1])
    parity.add(boot, machine, {f"way.{name}": _LEVELS[held] for name, (_, held) in found.items()})
    known = _BY_LANDLOCK.get(boot.tier, set())
    assert {name for name, (free, _) in found.items() if free != "through"} == set()
    assert {name for name, (_, held) in found.items() if held == "through"} == known


def test_a_run_inside_a_run_adds_nothing(booted: tuple[Machine, Boot]) -> None:
    """It says so, and its status is the command's: also where the outer one has namespaces."""
    machine, boot = booted
    run = ["pratique", "run", "--backend", boot.backend]
    done = machine.run(
        *run, "--quiet", "--", *run, "--", "sh", "-c", "exit 7", user=boot.user, **boot.environment
    )
    assert (done.status, "already guarded" in done.output) == (7, True), done.output
