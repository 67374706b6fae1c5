"""Real pip and npm in booted kernels: the thief gets nothing and is named, the honest package is installed."""

import json
from typing import Any

import pytest

from kernels.machine import Machine
from kernels.matrix import Boot, controlled


@pytest.fixture(scope="module")
def installs(booted: tuple[Machine, Boot]) -> dict[str, Any]:
    """What came of each install in this machine."""
    machine, boot = booted
    if boot.tier:
        pytest.skip("`make parity` plays installs of a person without privilege, in every tier")
    control = "free" if controlled(boot) else "held"
    done = machine.run(
        "python3", "/opt/guest/installs.py", boot.backend, control, seconds=1200, PYTHONPATH="/opt/pratique"
    )
    assert done.status == 0, done.output
    found: dict[str, Any] = json.loads(done.output.splitlines()[-1])
    return found


@pytest.mark.parametrize("manager", ["pip", "npm"])
def test_a_thief_gets_nothing_and_is_named(installs: dict[str, Any], manager: str) -> None:
    """Unguarded it takes the secret and plants its line; guarded neither, and each finding names the package."""
    free, held = installs[manager].get("free"), installs[manager]["held"]
    if free:
        assert (free["status"], free["leaked"], free["planted"]) == (0, True, True), free["said"]
    assert (held["leaked"], held["planted"]) == (False, False), held["said"]
    denied = {each["rule"]: each for each in held["findings"] if each["action"] != "audited"}
    assert {"secrets.install", "persistence.write"} <= set(denied)
    assert {each["actor"] for each in denied.values()} == {"package"}
    assert all("thief" in str(each["package"]) for each in denied.values()), denied
    assert held["status"] == 3


@pytest.mark.parametrize("manager", ["pip", "npm"])
def test_the_honest_package_beside_it_is_installed(installs: dict[str, Any], manager: str) -> None:
    """Nothing is refused that an install needs, and nobody is blamed for another."""
    held = installs[manager]["held"]
    assert held["installed"], held["said"]
    assert [each for each in held["findings"] if "honest" in str(each["package"])] == []
