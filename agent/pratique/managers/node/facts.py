"""The data file of a manager of Node packages, read once, as typed values."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pratique.managers.base import Pattern
from pratique.managers.helpers import Row, shared

_NODE = ("node", "nodejs")


@dataclass(frozen=True, slots=True)
class Facts:
    """All of a `data.toml` that is shaped like the one of pnpm."""

    patterns: tuple[Pattern, ...]
    """With a verb; then those of programs that need none, for whatever follows is fetched and run."""
    bare: frozenset[str]
    """Names of the latter."""
    names: Mapping[str, str]
    """Short spelling of an option → the long one."""
    values: frozenset[str]
    """Options that take the next word."""
    packages: frozenset[str]
    command: tuple[str, ...]
    """Verbs that fetch a program and run it; the first is what a bare program stands for."""
    lead: Mapping[str, int]
    """Words before the verb, and how many each takes: `global`, `workspace NAME`."""
    nothing: str
    """The verb that stands for no verb at all; empty if that does nothing."""
    fetched: str
    """The lifecycle event under which a program is run that was fetched for it; empty if there is none."""
    rows: tuple[Row, ...]
    roots: tuple[str, ...]
    """Files that mark the root of a project."""
    trees: tuple[str, ...]
    """Folders besides the project's root that the manager fills; globs with `~` and `$TMPDIR`."""
    shared: tuple[str, ...]
    """Folders with a tree of one package, to which trees of many projects link; globs."""
    inside: Mapping[str, str]
    """Files by which code of others is loaded into the manager itself, and what in them says so."""
    own: Mapping[str, Any]
    """What only this manager's module reads."""


@cache
def load(name: str) -> Facts:
    """Read the data file of a family; it is ours, so a mistake in it is a bug and raises."""
    data = _read(name)
    pattern, verbs, places = data["pattern"], data["verbs"], data["places"]
    return Facts(
        patterns=(
            *_patterns(name, pattern, pattern["targets"], pattern["verbs"]),
            *_patterns(name, {**pattern, "values": ()}, pattern["bare"], ()),
        ),
        bare=frozenset(pattern["bare"]),
        names=data["options"]["names"],
        values=frozenset((*pattern["values"], *data["options"]["values"])),
        packages=frozenset(verbs["packages"]),
        command=tuple(verbs["command"]),
        lead=verbs.get("lead", {}),
        nothing=verbs.get("nothing", ""),
        fetched=verbs.get("fetched", ""),
        rows=(*(Row.of(row) for row in data.get("helper", ())), *shared().rows),
        roots=tuple(places["roots"]),
        trees=tuple(places["trees"]),
        shared=tuple(places.get("shared", ())),
        inside=places.get("inside", {}),
        own=data.get("own", {}),
    )


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parents[1] / name / "data.toml").read_text(encoding="utf-8"))


def _patterns(
    name: str, pattern: Mapping[str, Any], targets: tuple[str, ...], verbs: tuple[str, ...]
) -> list[Pattern]:
    """A program of the manager's as a native image, as a script of node, or as both."""
    node = tuple(
        _read("npm")["pattern"]["interpreter_values"]
    )  # node's own options, wherever it is told to run
    words = {"targets": tuple(targets), "verbs": tuple(verbs), "values": tuple(pattern["values"])}
    found = []
    if targets and "native" in pattern["kinds"]:
        found.append(Pattern(name, interpreters=(), modules=(), **words))
    if targets and "script" in pattern["kinds"]:
        found.append(Pattern(name, interpreters=_NODE, modules=(), interpreter_values=node, **words))
    return found
