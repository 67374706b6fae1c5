"""The package managers Pratique knows. Adding one is one folder here and one line below."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module

from pratique.managers.base import Context, Learned, Manager, Pattern, Stopped
from pratique.managers.matching import match
from pratique.model import Settlement

__all__ = ["match", "patterns", "registry", "warm"]

# In the order in which their patterns are tried; each folder has `facts.patterns` and `manager.CLASS`.
_FAMILIES = {
    "pip": "Pip",
    "npm": "Npm",
    "uv": "Uv",
    "pnpm": "Pnpm",
    "yarn": "Yarn",
    "bun": "Bun",
    "poetry": "Poetry",
    "pipx": "Pipx",
    "pdm": "Pdm",
    "corepack": "Corepack",
}


class _Family:
    """A manager whose module is imported at its first use: start-up needs no more than its patterns."""

    def __init__(self, name: str) -> None:
        self.name = name

    def patterns(self) -> tuple[Pattern, ...]:
        found: tuple[Pattern, ...] = import_module(f"{__name__}.{self.name}.facts").patterns()
        return found

    def classify(self, child: Stopped, context: Context) -> Settlement:
        return _manager(self.name).classify(child, context)

    def describe(self, argv: tuple[str, ...]) -> str:
        return _manager(self.name).describe(argv)

    def requested(self, argv: tuple[str, ...], cwd: str) -> tuple[str, ...]:
        return _manager(self.name).requested(argv, cwd)

    def inside(self, argv: tuple[str, ...], cwd: str) -> tuple[str, ...]:
        return _manager(self.name).inside(argv, cwd)

    def hosts(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[Learned, ...]:
        return _manager(self.name).hosts(argv, environment, cwd)


@cache
def registry() -> Mapping[str, Manager]:
    """Every manager family by its name."""
    return {name: _Family(name) for name in _FAMILIES}


def patterns() -> tuple[Pattern, ...]:
    """All patterns, in the order in which they are tried."""
    return tuple(pattern for family in registry().values() for pattern in family.patterns())


def warm() -> None:
    """Import every family now, so that no stopped process waits for it."""
    for name in _FAMILIES:
        _manager(name)


@cache
def _manager(name: str) -> Manager:
    manager: Manager = getattr(import_module(f"{__name__}.{name}.manager"), _FAMILIES[name])()
    return manager
