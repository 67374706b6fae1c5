"""In a storm nothing is lost, nothing is missed, and the agent stays small."""

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.storm import Figures, compiled
from lab.demands import demand
from lab.guard import end, guarded, read_report, start
from lab.world import World
from pratique.backends.hooks.capability import capability
from pratique.backends.hooks.plan import CODE_GROUPS, Plan
from pratique.backends.hooks.probes import Probes
from pratique.backends.hooks.records import ExitRecord, ForkRecord
from pratique.words import Actor, Stage

_PACKAGE = Path(__file__).parent / "packages" / "storm-front-1.0.0"
_SIZE = 2_000
_OPENS_OF_TRUE = 2
"""Of the dynamic linker: its cache, and libc."""
_GROWTH = 60 << 10
"""KiB that the agent may grow by while a storm passes."""
_RUN = 78


@dataclass(frozen=True, slots=True)
class Passed:
    """A storm that passed: what it did itself, what was reported of it, what the agent took."""

    status: int
    done: dict[str, int]
    report: dict[str, object]
    growth: int

    @property
    def counts(self) -> dict[str, int]:
        """The report's totals."""
        return self.report["counts"]  # type: ignore[return-value]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generator, compiled."""
    return compiled(tmp_path_factory.mktemp("storm"))


@pytest.fixture
def sea(lab: None) -> Iterator[World]:
    """Surroundings whose index has `storm-front`: its build storms, and steals in the middle of it."""
    with World([_PACKAGE]) as made:
        yield made


def passed(world: World, program: Path, size: int, name: str) -> Passed:
    """Install it with storms of this size; the command's home is new to it."""
    report = world.folder / f"{name}.json"
    started = world.folder / "marks" / "started"
    started.unlink(missing_ok=True)
    environment = {**world.environment(), "STORM": f"{program}:{size}"}
    command = [*world.install("storm-front"), "--target", str(world.folder / name)]
    mark = f"storm-{name}-{world.token}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = start(guarded(command, report), environment, world.folder, mark, **quiet)
    try:
        growth = _growth(process, started)
        status = process.wait(timeout=60)
    finally:
        end(mark)
    told = read_report(report)
    assert told is not None
    return Passed(status, _witness(world.folder / "marks"), told, growth)


def _growth(process: subprocess.Popen[str], started: Path) -> int:
    """KiB between what the agent holds as the build begins and the most it holds until it ends."""
    before = most = 0
    while process.poll() is None:
        now = _resident(process.pid)
        if started.exists():
            before = before or now
            most = max(most, now)
        time.sleep(0.02)
    return most - before


def _resident(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), 0)


def _witness(marks: Path) -> dict[str, int]:
    figures = {path.stem: Figures.read(path.read_text()) for path in marks.glob("*.json")}
    assert [kind for kind, one in figures.items() if one.failed] == []
    return {kind: one.done for kind, one in figures.items()}


@pytest.fixture
def storms(guard: None, sea: World, program: Path) -> tuple[Passed, Passed]:
    """The same install twice: calm, and in the storm."""
    return passed(sea, program, 0, "calm"), passed(sea, program, _SIZE, "storm")


def test_storm(storms: tuple[Passed, Passed]) -> None:
    """One theft among thousands of acts is refused and attributed; every act is counted, none is lost."""
    calm, storm = storms
    added = {kind: storm.counts[kind] - calm.counts[kind] for kind in ("exec", "fork", "exit", "open")}
    thefts = [finding for finding in storm.report["findings"] if "secrets.npm" in finding["groups"]]  # type: ignore[attr-defined]

    assert storm.status == calm.status == 3
    assert storm.done == {"open": 10 * _SIZE, "open-etc": 10 * _SIZE, "fork": _SIZE, "exec": _SIZE}
    assert storm.report["run"]["lost_events"] == 0  # type: ignore[index]
    assert added["exec"] == _SIZE
    assert added["fork"] == added["exit"] == 2 * _SIZE
    assert added["open"] == 20 * _SIZE + _OPENS_OF_TRUE * _SIZE
    assert [(one["package"], one["action"], one["count"]) for one in thefts] == [
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
