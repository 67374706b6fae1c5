"""In a storm nothing is lost, nothing is missed, and the agent stays small."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.storm import compiled
from bench.theft import PACKAGE, Passed, passed
from lab.demands import demand
from lab.world import World
from pratique.backends.hooks.capability import capability
from pratique.backends.hooks.plan import CODE_GROUPS, Plan
from pratique.backends.hooks.probes import Probes
from pratique.backends.hooks.records import ExitRecord, ForkRecord
from pratique.words import Actor, Stage

_SIZE = 2_000
_OPENS_OF_TRUE = 2
"""Of the dynamic linker: its cache, and libc."""
_GROWTH = 60 << 10
"""KiB that the agent may grow by while a storm passes."""
_RUN = 78


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generator, compiled."""
    return compiled(tmp_path_factory.mktemp("storm"))


@pytest.fixture
def sea(lab: None) -> Iterator[World]:
    """Surroundings whose index has `storm-front`: its build storms, and steals in the middle of it."""
    with World([PACKAGE]) as made:
        yield made


@pytest.fixture
def storms(guard: None, sea: World, program: Path) -> tuple[Passed, Passed]:
    """The same install twice: calm, and in the storm."""
    return passed(sea, program, 0, "calm"), passed(sea, program, _SIZE, "storm")


def test_storm(storms: tuple[Passed, Passed]) -> None:
    """One theft among thousands of acts is refused and attributed; every act is counted, none is lost."""
    calm, storm = storms
    added = {kind: storm.counts[kind] - calm.counts[kind] for kind in ("exec", "fork", "exit", "open")}

    assert storm.status == calm.status == 3
    assert storm.done == {"open": 10 * _SIZE, "open-etc": 10 * _SIZE, "fork": _SIZE, "exec": _SIZE}
    assert storm.report["run"]["lost_events"] == 0
    assert added["exec"] == _SIZE
    assert added["fork"] == added["exit"] == 2 * _SIZE
    assert added["open"] == 20 * _SIZE + _OPENS_OF_TRUE * _SIZE
    assert [(one["package"], one["action"], one["count"]) for one in storm.thefts] == [
        ("pkg:pypi/storm-front@1.0.0", "denied", 1)
    ]
    assert storm.growth < _GROWTH


def test_every_lost_record_is_counted() -> None:
    """What a full ring could not take, and what was read from it, are together all that happened."""
    support = capability()
    demand(None if support.ok else support.why)
    probes = Probes(Plan(CODE_GROUPS, (), (), (), (), audit=False), _RUN, (), ring_bytes=64 << 10)
    probes.load()
    probes.attach()
    try:
        _forks(probes, _SIZE)
        found = probes.read(0.2)
        lost, counts = probes.losses(), probes.counts()
    finally:
        probes.close()
    told = [record for record in found if isinstance(record, ForkRecord | ExitRecord)]

    assert 0 < len(told) == len(found)
    assert lost.ring > 0
    assert len(found) + lost.ring == counts["fork"] + counts["exit"] == 2 * _SIZE + 1
    assert (lost.labels, lost.reads) == (0, 0)


def _forks(probes: Probes, times: int) -> None:
    """A labelled child that forks and reaps; nobody reads what is told of it meanwhile."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(reading, 1)
        for _ in range(times):
            os.waitpid(os.fork() or os._exit(0), 0)
        os._exit(0)
    probes.set_label(pid, Actor.PACKAGE, Stage.BUILD, 1)
    os.write(writing, b"g")
    os.close(reading)
    os.close(writing)
    assert os.waitpid(pid, 0)[1] == 0
