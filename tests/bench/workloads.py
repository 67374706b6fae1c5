"""What is measured: a real install of real packages, and starting nothing at all."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.paired import Cost, Round, measure

ROOTS = ("hypothesis", "jsonschema", "pydantic", "pytest", "rich")


class Measured(Protocol):
    """What a row of the table is made of."""

    @property
    def name(self) -> str:
        """As the table says it."""

    @property
    def unit(self) -> str:
        """`ratio`, or `added` for seconds."""

    @property
    def precision(self) -> float:
        """Half the interval that is narrow enough."""

    def values(self, one: Round) -> tuple[float, float]:
        """Wall and CPU of one round."""

    def cost(self, prefix: Sequence[str]) -> Cost:
        """One execution behind `prefix`; empty: bare."""

    def tally(self) -> dict[str, int]:
        """What the guard counted and lost, beside what was done; empty where nobody counts."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A command, what is compared, and how exactly it must be known."""

    name: str
    command: Sequence[str]
    prepare: Callable[[], None]
    compare: Callable[[Round], tuple[float, float]]
    """Wall and CPU of one round, as a ratio or as added seconds."""
    unit: str
    precision: float
    folder: Path = Path("/")
    """Where it is started."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Environment of its own."""

    def cost(self, prefix: Sequence[str]) -> Cost:
        """One execution behind `prefix`, prepared outside the clock."""
        self.prepare()
        return measure([*prefix, *self.command], {**environment(), **self.more}, self.folder)

    def values(self, one: Round) -> tuple[float, float]:
        """As `compare` says."""
        return self.compare(one)

    def tally(self) -> dict[str, int]:
        """Nothing."""
        return {}


def environment() -> dict[str, str]:
    """The same few variables each time, without the machine's own pip settings."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "PATH", "USER") if name in os.environ}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def start() -> Workload:
    """Starting a command that does nothing."""
    return Workload("start", ["true"], lambda: None, _added, "added", 0.005)


def install(place: Path) -> Workload:
    """`pip install` of a few well-known wheels into a fresh virtual environment, without the network."""
    wheels, empty, target = _wheels(place), template(place), place / "venv"
    pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-index"]

    def prepare() -> None:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(empty, target, symlinks=True)

    command = [*pip, "--find-links", str(wheels), *ROOTS]
    return Workload("pip install, wheels", command, prepare, ratio, "ratio", 0.02)


def ratio(one: Round) -> tuple[float, float]:
    """Wall and CPU of the guarded execution, over those of the bare one."""
    return one.guarded.wall / one.bare.wall, one.guarded.cpu / one.bare.cpu


def _added(one: Round) -> tuple[float, float]:
    return one.guarded.wall - one.bare.wall, one.guarded.cpu - one.bare.cpu


def _wheels(place: Path) -> Path:
    """Fetched once with the ordinary client; every round uses the same files."""
    wheels = place / "wheels"
    if not (wheels / ".complete").exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:"]
        subprocess.run([*pip, "--dest", str(wheels), *ROOTS], check=True, timeout=600)
        (wheels / ".complete").touch()
    return wheels


def template(place: Path) -> Path:
    """A virtual environment to copy: making one runs ensurepip, which would be most of a round."""
    made = place / "template"
    if not (made / "bin" / "pip").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(made)], check=True, timeout=300)
    return made
