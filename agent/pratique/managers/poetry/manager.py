"""poetry: what a command was asked for, and which directories are the user's own."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pratique.managers import hosts
from pratique.managers.base import Context, Learned, Stopped
from pratique.managers.node.arguments import Arguments
from pratique.managers.pip.arguments import canonical, name_of
from pratique.managers.pip.project import inode
from pratique.managers.poetry import evidence
from pratique.managers.poetry.facts import facts
from pratique.managers.python.family import PythonFamily, Request, root_of
from pratique.managers.uv.config import read_table, table_at
from pratique.managers.uv.project import dependencies
from pratique.model import Identity


class Poetry(PythonFamily):
    """The `Manager` for poetry."""

    name = "poetry"

    def request(self, arguments: Arguments, manager: Stopped) -> Request:
        """The project around the directory it works in, and its path dependencies."""
        places = (*arguments.all("--directory")[-1:], *arguments.all("--project")[-1:])
        root = root_of(os.path.realpath(Path(manager.cwd, *places)))
        poetry = table_at(read_table(f"{root}/pyproject.toml", _readable), "tool", "poetry")
        own = [root, *(os.path.realpath(Path(root, path)) for path in _paths(poetry))]
        asked = arguments.words if arguments.verb in self.facts.packages else ()
        named = {name for name in map(name_of, (word.partition("@")[0] for word in asked)) if name}
        return Request(
            arguments,
            root,
            manager.environment.get("HOME", ""),
            manager.environment,
            {place: key for place in own if (key := inode(place))},
            frozenset(named or {*dependencies(root, _readable), *_names(poetry)}),
        )

    def source(self, child: Stopped) -> str | None:
        """A temporary directory of poetry's, below which the archive chose a name."""
        found = re.match(facts().own["source"] + r"(?=/|$)", child.cwd)
        return found[0] if found else None

    def examine(self, root: str, context: Context, request: Request) -> tuple[Identity, str]:
        """By the archive it was unpacked from."""
        return evidence.examine(root, context, request)

    def learned(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> Iterator[Learned]:
        """The project's sources, proxies, and URLs on the command line."""
        table = table_at(read_table(f"{root_of(cwd)}/pyproject.toml", _readable), "tool", "poetry")
        rows = table.get("source")
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict):
                yield from hosts.at(str(row.get("url")), "a source of the project")
        yield from super().learned(argv, environment, cwd)


def _readable(_: str) -> bool:
    return True


def _tables(poetry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield table_at(poetry, "dependencies")
    yield table_at(poetry, "dev-dependencies")
    yield from (table_at(poetry, "group", name, "dependencies") for name in table_at(poetry, "group"))


def _names(poetry: Mapping[str, Any]) -> Iterator[str]:
    yield from (canonical(name) for table in _tables(poetry) for name in table)


def _paths(poetry: Mapping[str, Any]) -> Iterator[str]:
    """Directories that path dependencies lead to."""
    for table in _tables(poetry):
        for held in table.values():
            for row in held if isinstance(held, list) else [held]:
                if isinstance(row, dict) and isinstance(row.get("path"), str):
                    yield row["path"]
