"""The scenarios as system calls in booted kernels: nothing leaks, and every refusal names who tried."""

from typing import Any

from kernels.machine import Machine
from kernels.matrix import Boot
from kernels.parity import Parity, unowed

_WEAKER = ("killed-before", "killed-after")


def test_every_promise_of_every_scenario(
    booted: tuple[Machine, Boot], replayed: list[dict[str, Any]], parity: Parity
) -> None:
    """Unguarded each theft happens; guarded none, each owed finding is there, and its package is named."""
    machine, boot = booted
    played = [each for each in replayed if "lacks" not in each]
    vain = {each["id"] for each in played if unowed(each["id"], boot.name)}
    parity.add(boot, machine, {each["id"]: "-" if each["id"] in vain else each["level"] for each in played})
    assert played
    assert {each["id"]: each["free"] for each in played if each["free"] and each["id"] not in vain} == {}
    assert {each["id"]: each["broken"] for each in played if each["broken"]} == {}
    assert {each["id"]: each["leaked"] for each in played if each["leaked"]} == {}


def test_lsm_answers_with_an_error(booted: tuple[Machine, Boot], replayed: list[dict[str, Any]]) -> None:
    """Nobody is killed where the kernel can refuse: every refusal of `lsm` is an ordinary error."""
    if booted[1].backend == "lsm":
        assert {each["id"]: each["level"] for each in replayed if each.get("level") in _WEAKER} == {}
