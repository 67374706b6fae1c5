"""The matrix of kernels and boots, read from `matrix.toml`."""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pratique.backends.rootless.capability import TIER

PERSON = "person"
"""The guest's user without privilege."""
_FILE = Path(__file__).with_name("matrix.toml")


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel of the archive."""

    name: str
    package: str


@dataclass(frozen=True, slots=True)
class Boot:
    """One way to boot it, and the backend to be proved then."""

    name: str
    options: str
    backend: str
    tier: int = 0
    """Of `rootless`: the one that is forced."""
    processors: int = 1

    @property
    def user(self) -> str:
        """Who guards there."""
        return PERSON if self.tier else "root"

    @property
    def environment(self) -> dict[str, str]:
        """What every command in it has set."""
        forced = {TIER: str(self.tier)} if self.tier else {}
        return {"PYTHONPATH": "/opt/pratique:/opt/tests", **forced}


@dataclass(frozen=True, slots=True)
class Matrix:
    """All of it."""

    suite: str
    packages: tuple[str, ...]
    kernels: tuple[Kernel, ...]
    boots: tuple[Boot, ...]


def whole() -> bool:
    """Whether everything is wanted (`make test-kernels`), or each kernel once and shortly (`make test`)."""
    return os.environ.get("PRATIQUE_KERNELS") == "all"


def controlled(boot: Boot) -> bool:
    """Whether the slow positive controls are played in this boot: once for each kernel and user, of all."""
    return whole() and boot == next(each for each in read().boots if each.user == boot.user)


def read() -> Matrix:
    """The matrix as the file has it."""
    found = tomllib.loads(_FILE.read_text())
    return Matrix(
        suite=found["system"]["suite"],
        packages=tuple(found["system"]["packages"]),
        kernels=tuple(Kernel(**row) for row in found["kernel"]),
        boots=tuple(Boot(**row) for row in found["boot"]),
    )
