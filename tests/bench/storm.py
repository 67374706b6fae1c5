"""Storms: one kind of act, many thousand times, inside a package's build or beside a run that is someone else's."""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.paired import Cost, Round
from bench.workloads import environment, ratio, template
from lab.packages import build_sdist

SOURCE = Path(__file__).with_name("storm.c")
_LIMIT = 600
_ACT = """\
import os
import subprocess
import time
from pathlib import Path


def act():
    if os.environ["STORM"] == "wait":
        up = Path({figures!r})
        up.touch()
        while up.exists():
            time.sleep(0.1)
        return
    done = subprocess.run([{generator!r}, *os.environ["STORM"].split()], capture_output=True, text=True, check=True)
    Path({figures!r}).write_text(done.stdout)
"""
# What the report's counter of an act is called, by kind of storm.
COUNTER = {
    "exec": "exec",
    "fork": "fork",
    "open": "open",
    "open-etc": "open",
    "connect": "connect",
    "connect-turn": "connect",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What the generator says of itself: the witness that owes the guard nothing."""

    done: int
    failed: int
    cost: Cost

    @classmethod
    def read(cls, text: str) -> "Figures":
        """Its one line."""
        said = json.loads(text)
        return cls(said["done"], said["failed"], Cost(said["wall"], said["cpu"]))


@dataclass(frozen=True, slots=True)
class Tally:
    """One guarded storm: what the generator did, what the guard counted, and what it says it lost."""

    done: int
    counted: int
    lost: int


def compiled(place: Path) -> Path:
    """The generator as a program in `place`."""
    program = place / "storm"
    compiler = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(SOURCE)]
    subprocess.run(compiler, check=True, timeout=60)
    return program


class Generator:
    """The compiled program, and a source distribution whose build runs it."""

    def __init__(self, place: Path) -> None:
        self._place = place / "storm"
        self._place.mkdir(parents=True, exist_ok=True)
        self.program = compiled(self._place)
        self._figures = self._place / "figures.json"
        self._python = template(place) / "bin" / "python"
        self._sdist = self._packed()

    def alone(self, kind: str, times: int) -> Figures:
        """Run it as nobody's child."""
        done = _done([str(self.program), kind, str(times)], environment(), self._place)
        return Figures.read(done.stdout)

    def inside(self, kind: str, times: int, prefix: Sequence[str] = ()) -> Figures:
        """Run it in the build of a package, the installer behind `prefix`."""
        self._figures.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(dir=self._place) as target:
            command = [*prefix, *self._install(target)]
            # Not where the generator lies: a project's own directory is watched, and its opens are dearer.
            _done(command, {**environment(), "STORM": f"{kind} {times}"}, Path(target))
        return Figures.read(self._figures.read_text())

    @contextmanager
    def waiting(self, prefix: Sequence[str]) -> Iterator[None]:
        """A build of the package behind `prefix` that is in its midst, does nothing, and is over afterwards."""
        self._figures.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(dir=self._place) as target:
            command = [*prefix, *self._install(target)]
            variables = {**environment(), "STORM": "wait"}
            with subprocess.Popen(
                command, env=variables, cwd=target, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            ) as process:
                try:
                    self._until_up(process)
                    yield
                finally:
                    self._figures.unlink(missing_ok=True)

    def _until_up(self, process: subprocess.Popen[bytes]) -> None:
        for _ in range(_LIMIT):
            if self._figures.exists():
                return
            if process.poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit("bench: the build to stand beside did not start")

    def _install(self, target: str) -> list[str]:
        pip = [str(self._python), "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation"]
        return [*pip, "--no-cache-dir", "--target", target, str(self._sdist)]

    def _packed(self) -> Path:
        source = self._place / "storm-1.0.0"
        source.mkdir(exist_ok=True)
        words = {"generator": str(self.program), "figures": str(self._figures)}
        (source / "act.py").write_text(_ACT.format(**words))
        (source / "storm.py").touch()
        return build_sdist(source, {}, self._place).file


@dataclass(frozen=True, slots=True)
class Storm:
    """A workload of the table: the costs are the generator's own, so no installer's start is in them."""

    name: str
    generator: Generator
    kind: str
    times: int
    precision: float = 0.02
    unit: str = "ratio"
    tallies: list[Tally] = field(default_factory=list)

    def values(self, one: Round) -> tuple[float, float]:
        """Wall and CPU, guarded over bare."""
        return ratio(one)

    def tally(self) -> dict[str, int]:
        """Over all guarded rounds. The build itself acts a little, too: what is counted is a bit more than done."""
        return {
            "done": sum(one.done for one in self.tallies),
            "counted": sum(one.counted for one in self.tallies),
            "lost_events": sum(one.lost for one in self.tallies),
        }

    def cost(self, prefix: Sequence[str]) -> Cost:
        """The same build, bare or behind the guard; what the guard's report says is kept."""
        if "--" not in prefix:
            return self._checked(self.generator.inside(self.kind, self.times, prefix)).cost
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.json")
            told = [*prefix[:-1], "--report", str(report), prefix[-1]]
            figures = self._checked(self.generator.inside(self.kind, self.times, told))
            self.tallies.append(_tally(figures, COUNTER[self.kind], json.loads(report.read_text())))
        return figures.cost

    def _checked(self, figures: Figures) -> Figures:
        if figures.failed:
            raise SystemExit(f"bench: {figures.failed} of {self.times} acts failed: {self.name}")
        return figures


@dataclass(frozen=True, slots=True)
class Bystander:
    """The generator outside any run, while a guarded command or a package's build lives elsewhere on the host."""

    name: str
    generator: Generator
    kind: str
    times: int
    build: bool = False
    precision: float = 0.01
    unit: str = "ratio"

    def values(self, one: Round) -> tuple[float, float]:
        """Wall and CPU, beside a run over alone."""
        return ratio(one)

    def tally(self) -> dict[str, int]:
        """Nobody counts what is not in a run."""
        return {}

    def cost(self, prefix: Sequence[str]) -> Cost:
        """Run it alone, or beside something behind `prefix` that does nothing."""
        if not prefix:
            return self.generator.alone(self.kind, self.times).cost
        with self.generator.waiting(prefix) if self.build else living(prefix):
            return self.generator.alone(self.kind, self.times).cost


@contextmanager
def living(prefix: Sequence[str]) -> Iterator[None]:
    """A command behind `prefix` that is up, waits for its input to end, and is gone afterwards."""
    command = [*prefix, "sh", "-c", "echo up; cat"]
    process = subprocess.Popen(
        command,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        if process.stdout is None or process.stdout.readline() != b"up\n":
            raise SystemExit(f"bench: {' '.join(command)} did not start")
        try:
            yield
        finally:
            if process.stdin is not None:
                process.stdin.close()


def _tally(figures: Figures, counter: str, report: dict[str, Any]) -> Tally:
    return Tally(figures.done, report["counts"][counter], report["run"]["lost_events"])


def _done(
    command: Sequence[str], variables: dict[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        env=variables,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )
    if done.returncode:
        raise SystemExit(
            f"bench: {' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    return done
