"""Machines for the tests: each kernel of the matrix in each way to boot it, images made once."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kernels import images, matrix
from kernels.machine import Machine
from kernels.parity import Parity, column_of, version_of
from lab.demands import demand

_HARD_LIMIT = 1800
_REPLAY_SECONDS = 1500
_MATRIX = matrix.read()
# `make test` proves each kernel in its own way to boot; `make test-kernels` proves all of them.
_ALL = matrix.whole()
_BOOTS = _MATRIX.boots if _ALL else _MATRIX.boots[:1]
# A daemon, and a guard started many times over, take minutes under emulation.
collect_ignore = [] if _ALL else ["test_daemon.py", "test_days.py", "test_lines.py"]
_GAPS = """
from pratique.backends.rootless import capability, gaps
print(*gaps.of_tier(capability.tier()), sep="\\n")
"""
_QUICK = ("LABEL", "O02-build", "O05/strict", "O07-build", "O13", "O15-rc", "SELF", "T-tools")
"""Scenarios that `make test` replays: each kind of refusal once, one under `strict`, and a twin."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here: it needs an emulator, and minutes."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.kernels)
            item.add_marker(pytest.mark.timeout(_HARD_LIMIT, method="thread"))


@cache
def _missing() -> str | None:
    if os.geteuid() != 0:
        return "building a root file system needs root"
    needed = ("qemu-system-x86_64", "mmdebstrap", "mke2fs", "dpkg-deb", "apt-get")
    lacking = [name for name in needed if shutil.which(name) is None]
    return f"{', '.join(lacking)} not installed (make setup-kernels)" if lacking else None


@pytest.fixture(scope="session")
def built() -> tuple[Path, dict[str, Path]]:
    """The image, and each kernel by its name."""
    demand(_missing())
    with images.alone():
        kernels = {kernel.name: images.kernel(kernel) for kernel in _MATRIX.kernels}
        return images.image(_MATRIX, kernels.values()), kernels


@pytest.fixture(scope="session")
def machines(
    built: tuple[Path, dict[str, Path]],
) -> Iterator[Callable[[matrix.Kernel, matrix.Boot], Machine]]:
    """Boots one machine at a time; ways to boot that differ only in who guards have it one after the other."""
    image, kernels = built
    with ExitStack() as stack:
        running: dict[object, Machine] = {}

        def booted(kernel: matrix.Kernel, boot: matrix.Boot) -> Machine:
            key = kernel, boot.options, boot.processors
            if key not in running:
                stack.close()
                running.clear()
                made = Machine(kernels[kernel.name], image, boot.options, boot.processors)
                running[key] = stack.enter_context(made)
            return running[key]

        yield booted


@pytest.fixture(
    scope="session",
    params=[(kernel, boot) for kernel in _MATRIX.kernels for boot in _BOOTS],
    ids=lambda pair: f"{pair[0].name}-{pair[1].name}",
)
def booted(
    request: pytest.FixtureRequest, machines: Callable[[matrix.Kernel, matrix.Boot], Machine]
) -> tuple[Machine, matrix.Boot]:
    """A running machine; the tests of one machine run one after the other."""
    kernel, boot = request.param
    machine = machines(kernel, boot)
    if boot.tier:
        _settle(machine)
        demand(_untiered(machine, boot))
    return machine, boot


def _settle(machine: Machine) -> None:
    """Have a person without privilege there."""
    script = f"id {matrix.PERSON} >/dev/null 2>&1 || python3 /opt/guest/person.py {matrix.PERSON}"
    done = machine.run("sh", "-c", script, PYTHONPATH="/opt/pratique")
    assert done.status == 0, done.output


def _untiered(machine: Machine, boot: matrix.Boot) -> str | None:
    """Why that tier is not had on this kernel; what it leaves open there is printed."""
    done = machine.run("python3", "-c", _GAPS, user=boot.user, **boot.environment)
    column = column_of(boot, version_of(machine))
    print(*(f"{column}: {line}" for line in done.output.splitlines()), sep="\n")
    return None if f"tier {boot.tier} of " in done.output else f"{column}: {done.output}"


@pytest.fixture(scope="session")
def replayed(booted: tuple[Machine, matrix.Boot]) -> list[dict[str, Any]]:
    """What came of each scenario in this machine; the positive controls are played once for each kernel."""
    machine, boot = booted
    control = "free" if matrix.controlled(boot) or not _ALL else "held"
    wanted = () if _ALL else _QUICK
    done = machine.run(
        *("python3", "/opt/guest/replay.py", boot.backend, control, *wanted),
        user=boot.user,
        seconds=_REPLAY_SECONDS,
        **boot.environment,
    )
    assert done.status == 0, done.output
    return [json.loads(line) for line in done.output.splitlines() if line.startswith('{"id"')]


@pytest.fixture(scope="session")
def parity() -> Iterator[Parity]:
    """The one table of all machines, printed at the end."""
    table = Parity()
    yield table
    if table.levels:
        if _ALL:
            table.keep()
        print(f"\n{table}")
