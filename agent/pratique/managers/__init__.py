"""The package managers Pratique knows. Adding one is one folder here and one line below."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path

from pratique.managers.base import Context, Learned, Manager, Pattern, Stopped
from pratique.managers.matching import basename, match
from pratique.model import Settlement

__all__ = ["know", "match", "own", "patterns", "registry", "warm"]

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

_known: list[Pattern] = []


class _Family:
    """A manager whose module is imported at its first use: start-up needs no more than its patterns."""

    def __init__(self, name: str) -> None:
        self.name = name

    def patterns(self) -> tuple[Pattern, ...]:
        return tuple(pattern for pattern in patterns() if pattern.manager == self.name)

    def classify(self, child: Stopped, context: Context) -> Settlement:
        return _manager(self.name).classify(child, context)

    def describe(self, argv: tuple[str, ...]) -> str:
        return _manager(self.name).describe(argv)

    def requested(self, argv: tuple[str, ...], cwd: str) -> tuple[str, ...]:
        return _manager(self.name).requested(argv, cwd)

    def inside(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[str, ...]:
        return _manager(self.name).inside(argv, environment, cwd)

    def hosts(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> tuple[Learned, ...]:
        return _manager(self.name).hosts(argv, environment, cwd)


@cache
def registry() -> Mapping[str, Manager]:
    """Every manager family by its name."""
    return {name: _Family(name) for name in _FAMILIES}


def patterns() -> tuple[Pattern, ...]:
    """All patterns, in the order in which they are tried."""
    return tuple(_known) or _read()


def know(rows: tuple[Pattern, ...]) -> None:
    """Take over the patterns as an earlier run of this version read them: reading every family takes 0.1 s."""
    _known[:] = rows


def warm(argv: Sequence[str] | None = None) -> None:
    """Import every family now, or those that `argv` names, so that no stopped process waits for it."""
    for name in _FAMILIES if argv is None else _named(frozenset(map(basename, argv))):
        _manager(name)


def _named(words: frozenset[str]) -> set[str]:
    return {row.manager for row in patterns() if not words.isdisjoint((*row.targets, *row.modules))}


@cache
def _read() -> tuple[Pattern, ...]:
    read: list[tuple[Pattern, ...]] = [
        import_module(f"{__name__}.{name}.facts").patterns() for name in _FAMILIES
    ]
    return tuple(chain.from_iterable(read))


@cache
def own() -> frozenset[str]:
    """The packages that managers come in, as purls without version: an upgraded pip is still pip."""
    import tomllib  # noqa: PLC0415 -- a wrapped run reads none of these

    folder = Path(__file__).parent
    read = (tomllib.loads((folder / name / "data.toml").read_text(encoding="utf-8")) for name in _FAMILIES)
    return frozenset(purl for data in read for purl in data["distributions"])


@cache
def _manager(name: str) -> Manager:
    manager: Manager = getattr(import_module(f"{__name__}.{name}.manager"), _FAMILIES[name])()
    return manager
