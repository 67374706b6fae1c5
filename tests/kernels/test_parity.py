"""Every row of the coverage table, proved in a booted kernel with the wheel that people install."""

import json

from kernels.machine import Machine
from kernels.matrix import Boot
from kernels.parity import Parity, version_of
from pratique.backends.proof import UNTRIED

# What a kernel without a part of Landlock cannot do: scopes came with 6.12.
_LESS = {
    ("hooks", "6.1"): {
        "attempt:ipc.connect.abstract": "seen",
        "attempt:proc.signal": "blind",
    }
}


def test_coverage_is_what_the_page_claims(booted: tuple[Machine, Boot], parity: Parity) -> None:
    """No row is weaker in this kernel than docs/coverage.md says, but for what its Landlock lacks: that it prints."""
    machine, boot = booted
    done = machine.run(
        *("python3", "/opt/guest/prove.py", boot.backend), user=boot.user, seconds=600, **boot.environment
    )
    assert done.status == 0, done.output
    rows = json.loads(done.output.splitlines()[-1])
    parity.add(boot, machine, {row["scenario"].removeprefix("attempt:"): _shown(row) for row in rows})
    less = _LESS.get((boot.name, version_of(machine)), {})
    weaker = {row["scenario"]: row["why"] for row in rows if row["why"].startswith("expected")}
    assert {name: why for name, why in weaker.items() if name not in less} == {}
    assert {row["scenario"]: row["level"] for row in rows if row["scenario"] in less} == less


def _shown(row: dict[str, str]) -> str:
    return "-" if row["why"].startswith(UNTRIED) else row["level"]


def test_nothing_is_left_over(booted: tuple[Machine, Boot]) -> None:
    """After a guarded command neither program, pin nor process of ours is there."""
    machine, boot = booted
    command = ["pratique", "run", "--quiet", "--backend", boot.backend, "--", "true"]
    done = machine.run(*command, user=boot.user, seconds=300, **boot.environment)
    assert done.status == 0, done.output
    # Nobody in the guest waits for orphans: an ended one stays listed.
    left = machine.run("sh", "-c", "ls /sys/fs/bpf; ps -C pratique-guard -o pid=,stat= | grep -v Z; true")
    assert left.output.strip() == ""
