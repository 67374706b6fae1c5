"""What the verifier pays for each program: a jump is found here, not on somebody's start-up or on another kernel.

``PRATIQUE_RECORD=1 make test-kernels`` writes what was counted to `verifier.json`.
"""

import json
import os
from pathlib import Path

from kernels.machine import Machine
from kernels.matrix import Boot

_RECORDED = Path(__file__).with_name("verifier.json")
_GROWTH = 1.25


def test_no_program_became_much_dearer(booted: tuple[Machine, Boot]) -> None:
    """Within a quarter of what is recorded for this kind of kernel and attachment."""
    machine, boot = booted
    if boot.backend != "lsm":
        return
    done = machine.run("python3", "/opt/guest/cost.py", seconds=600, PYTHONPATH="/opt/pratique")
    assert done.status == 0, done.output
    counted = json.loads(done.output.splitlines()[-1])
    recorded = json.loads(_RECORDED.read_text()) if _RECORDED.exists() else {}
    name = f"{'.'.join(machine.release.split('.')[:2])} {boot.name}"
    if os.environ.get("PRATIQUE_RECORD") == "1":
        _RECORDED.write_text(json.dumps(recorded | {name: counted}, indent=1, sort_keys=True) + "\n")
        return
    known = recorded.get(name, {})
    assert sorted(counted) == sorted(known), "record anew: programs came or went"
    assert {each: (known[each], n) for each, n in counted.items() if n > known[each] * _GROWTH} == {}
