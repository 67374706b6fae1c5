"""Races against the supervisor of `rootless` in booted kernels, on two processors: nobody wins."""

import json
from typing import Any

import pytest

from kernels.machine import Machine
from kernels.matrix import Boot
from kernels.parity import Parity
from pratique.backends.rootless.capability import TRACED

_TRIES = 500


def test_nobody_wins_a_race(booted: tuple[Machine, Boot], parity: Parity) -> None:
    """Package code never wins; without the guard each race is won once in a hundred tries, or it shows nothing."""
    machine, boot = booted
    if boot.tier in (0, TRACED):
        pytest.skip("tiers 1 to 3 promise it: docs/rootless.md")
    done = machine.run(
        *("python3", "-m", "rootless.races", str(_TRIES)), user=boot.user, seconds=900, **boot.environment
    )
    assert done.status == 0, done.output
    found: dict[str, dict[str, Any]] = json.loads(done.output.splitlines()[-1])
    print(found)
    parity.add(boot, machine, {f"race.{name}": "enforced" for name in found})
    assert {name: each["control_won"] for name, each in found.items() if not each["could_be_won"]} == {}
    assert {name: (each["won"], each["tries"]) for name, each in found.items()} == dict.fromkeys(
        found, (0, _TRIES)
    )
