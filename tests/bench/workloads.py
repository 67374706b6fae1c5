"""What is measured: a real install of real packages, and starting nothing at all."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.paired import Cost, Round, measure

ROOTS = ("hypothesis", "jsonschema", "pydantic", "pytest", "rich")


@dataclass(frozen=True, slots=True)
class Workload:
    """A command, what is compared, and how exactly it must be known."""

    name: str
    command: Sequence[str]
    prepare: Callable[[], None]
    values: Callable[[Round], tuple[float, float]]
    """Wall and CPU of one round, as a ratio or as added seconds."""
    unit: str
    precision: float

    def cost(self, prefix: Sequence[str]) -> Cost:
        """One execution behind `prefix`, prepared outside the clock."""
        self.prepare()
        return measure([*prefix, *self.command], environment())


def environment() -> dict[str, str]:
    """The same few variables each time, without the machine's own pip settings."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "PATH", "USER") if name in os.environ}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def start() -> Workload:
    """Starting a command that does nothing."""
    return Workload("start", ["true"], lambda: None, _added, "added", 0.005)


def install(place: Path) -> Workload:
    """`pip install` of a few well-known wheels into a fresh virtual environment, without the network."""
    wheels, template, target = _wheels(place), _template(place), place / "venv"
    pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-index"]

    def prepare() -> None:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(template, target, symlinks=True)

    command = [*pip, "--find-links", str(wheels), *ROOTS]
    return Workload("pip install, wheels", command, prepare, _ratio, "ratio", 0.03)


def _ratio(one: Round) -> tuple[float, float]:
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


def _template(place: Path) -> Path:
    """A virtual environment to copy: making one runs ensurepip, which would be most of a round."""
    template = place / "template"
    if not (template / "bin" / "pip").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(template)], check=True, timeout=300)
    return template
