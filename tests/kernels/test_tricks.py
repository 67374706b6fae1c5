"""What only a guard inside the kernel can promise: no way around it, and no end with the agent's."""

import json

import pytest

from kernels.machine import Machine
from kernels.matrix import Boot


def _printed(machine: Machine, script: str) -> dict[str, object]:
    done = machine.run("python3", f"/opt/guest/{script}", seconds=600, PYTHONPATH="/opt/pratique")
    assert done.status == 0, done.output
    found: dict[str, object] = json.loads(done.output.splitlines()[-1])
    return found


def _only_lsm(boot: Boot) -> None:
    if boot.backend != "lsm":
        pytest.skip("hooks claims less: docs/coverage.md")


def test_no_way_around_leaks_a_byte(booted: tuple[Machine, Boot]) -> None:
    """Links, mounts, handles, races, rings, raw and 32-bit calls: each leaks unguarded, none guarded."""
    machine, boot = booted
    _only_lsm(boot)
    found = _printed(machine, "tricks.py")
    assert {name for name, (free, _) in found.items() if not free} == set()  # type: ignore[misc]
    assert {name for name, (_, held) in found.items() if held} == set()  # type: ignore[misc]


def test_refusals_outlive_the_agent(booted: tuple[Machine, Boot]) -> None:
    """Policies swapped under it, a secret replaced, the agent killed: the reader never reads; cleanup ends it."""
    machine, boot = booted
    _only_lsm(boot)
    found = _printed(machine, "lasting.py")
    # the first secret is in both policies, the second only in every other one
    assert {seen[0] for seen in found["swapping"]} == {"0"}  # type: ignore[attr-defined]
    assert {seen[1] for seen in found["swapping"]} == {"0", "1"}  # type: ignore[attr-defined]
    assert found["replaced"] == ["00"]
    assert found["killed"] == ["00"]
    assert found["alive"]
    assert found["unlabelled"]
    assert "ended" in str(found["told"])
    assert "removed" in str(found["told"])
    assert (found["left"], found["alive_after"]) == ([], False)
    assert found["again"] == "nothing was left over\n"
