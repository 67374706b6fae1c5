"""The data file of npm, read once, as typed values."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pratique.managers.base import Pattern
from pratique.managers.helpers import Row, shared


@dataclass(frozen=True, slots=True)
class Facts:
    """All of `data.toml`."""

    npm: Pattern
    npx: Pattern
    names: Mapping[str, str]
    """Short spelling of an option → the long one."""
    values: frozenset[str]
    """Options that take the next word."""
    packages: frozenset[str]
    """Verbs whose further words name packages."""
    command: frozenset[str]
    """Verbs whose first further word is a program to fetch and run."""
    rows: tuple[Row, ...]
    clone: re.Pattern[str]
    nested: str
    sources: str
    """Variable in which npm lists the git dependencies it is preparing, the innermost last."""
    harmless: frozenset[str]
    """Keys in a git dependency's .npmrc that do not change where npm fetches from."""
    gyp: str
    exec_event: str
    trees: tuple[str, ...]
    """Folders besides the project's root that npm fills; globs with `~`."""


@cache
def facts() -> Facts:
    """Read the data file; it is ours, so a mistake in it is a bug and raises."""
    data = tomllib.loads((Path(__file__).parent / "data.toml").read_text(encoding="utf-8"))
    words = {key: tuple(value) for key, value in data["pattern"].items()}
    bare = {**words, "targets": tuple(data["npx"]["targets"]), "verbs": (), "values": ()}
    return Facts(
        npm=Pattern("npm", **words),
        npx=Pattern("npm", **bare),
        names=data["options"]["names"],
        values=frozenset((*words["values"], *data["options"]["values"])),
        packages=frozenset(data["verbs"]["packages"]),
        command=frozenset(data["verbs"]["command"]),
        rows=(*(Row.of(row) for row in data["helper"]), *shared().rows),
        clone=re.compile(data["git"]["clone"]),
        nested=data["git"]["verb"],
        sources=data["git"]["sources"],
        harmless=frozenset(data["git"]["harmless"]),
        gyp=data["script"]["gyp"],
        exec_event=data["script"]["npx"],
        trees=tuple(data["places"]["trees"]),
    )


def patterns() -> tuple[Pattern, ...]:
    """`npm` with a verb that installs, and `npx` with anything."""
    return (facts().npm, facts().npx)
