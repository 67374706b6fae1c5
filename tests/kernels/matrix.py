"""The matrix of kernels and boots, read from `matrix.toml`."""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

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
    """Whether the slow positive controls are played in this boot: once for each kernel, in the whole matrix."""
    return whole() and boot == read().boots[0]


def read() -> Matrix:
    """The matrix as the file has it."""
    found = tomllib.loads(_FILE.read_text())
    return Matrix(
        suite=found["system"]["suite"],
        packages=tuple(found["system"]["packages"]),
        kernels=tuple(Kernel(**row) for row in found["kernel"]),
        boots=tuple(Boot(**row) for row in found["boot"]),
    )
