"""The data file of a manager of Python packages that is written in Python, read once, as typed values."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pratique.managers.base import Pattern
from pratique.managers.helpers import Row, shared


@dataclass(frozen=True, slots=True)
class Facts:
    """All of a `data.toml` that is shaped like the one of poetry."""

    pattern: Pattern
    names: Mapping[str, str]
    """Short spelling of an option → the long one."""
    values: frozenset[str]
    """Options that take the next word."""
    packages: frozenset[str]
    """Verbs whose further words are requirements."""
    run: frozenset[str]
    """Verbs that end in running a program of a package's."""
    nested: frozenset[str]
    """Other managers that it starts."""
    modules: frozenset[str]
    """Modules it has an interpreter run: of the standard library, or its own."""
    scripts: frozenset[str]
    """Scripts of its own that it has an interpreter run."""
    plugins: tuple[str, ...]
    """Groups of entry points under which others are loaded into the manager itself."""
    rows: tuple[Row, ...]
    own: Mapping[str, Any]
    """What only this manager's module reads."""


@cache
def load(name: str) -> Facts:
    """Read the data file of a family; it is ours, so a mistake in it is a bug and raises."""
    place = Path(__file__).parents[1] / name / "data.toml"
    data = tomllib.loads(place.read_text(encoding="utf-8"))
    options, verbs, children = data["options"], data["verbs"], data["children"]
    words = {key: tuple(value) for key, value in data["pattern"].items()}
    python = tomllib.loads((Path(__file__).parents[1] / "pip" / "data.toml").read_text(encoding="utf-8"))[
        "pattern"
    ]
    return Facts(
        Pattern(
            name,
            interpreters=tuple(python["interpreters"]),
            interpreter_values=tuple(python["interpreter_values"]),
            **words,
        ),
        names=options["names"],
        values=frozenset((*words["values"], *options["values"])),
        packages=frozenset(verbs["packages"]),
        run=frozenset(verbs["run"]),
        nested=frozenset(children["nested"]),
        modules=frozenset(children["modules"]),
        scripts=frozenset(children["scripts"]),
        plugins=tuple(children["plugins"]),
        rows=(*(Row.of(row) for row in data.get("helper", ())), *shared().rows),
        own=data.get("own", {}),
    )
