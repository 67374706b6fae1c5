"""The user's own code: what a command names by path, and the project and workspace it works in."""

import os
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from pratique.managers.pip.arguments import Arguments, Wanted, name_of
from pratique.managers.pip.project import directories, inode
from pratique.managers.uv.config import Table, read_table, table_at

_MAX_MEMBERS = 500
_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
_IN_PROJECT = ("sync", "run", "add", "remove", "lock", "export", "tree", "version", "build")

Readable = Callable[[str], bool]


def named(arguments: Arguments, wanted: Wanted, cwd: str, here: str, readable: Readable) -> list[str]:
    """Directories whose code is the user's own: of the command line, the project, its workspace and paths.

    `cwd` is where the words of the command line are read from, `here` where the project is looked for.
    """
    found = [*directories(wanted, cwd), *_of_files(arguments, cwd)]
    if used(arguments):
        found += _workspace(here, readable)
    if arguments.verb == "build":
        found += [os.path.realpath(Path(cwd, word)) for word in arguments.words[:1] or ("",)]
    seen = dict.fromkeys(found)
    for place in list(seen):
        seen |= dict.fromkeys(_paths(place, readable))
    return [place for place in seen if inode(place)]


def used(arguments: Arguments) -> bool:
    """Whether the command works on a project."""
    return arguments.verb in _IN_PROJECT and not arguments.has("--no-project")


def dependencies(place: str, readable: Readable) -> Iterator[str]:
    """Canonical names that the project around a directory asks for."""
    table = read_table(f"{_root(place) or place}/pyproject.toml", readable)
    project = table_at(table, "project")
    lists: list[object] = [project.get("dependencies")]
    lists += table_at(project, "optional-dependencies").values()
    lists += table_at(table, "dependency-groups").values()
    for held in lists:
        for word in held if isinstance(held, list) else []:
            name = name_of(word) if isinstance(word, str) else None
            if name:
                yield name


def files(arguments: Arguments) -> list[str]:
    """The words and options that name requirements files."""
    lists = ("pip sync", "pip compile")
    return [*arguments.all("--requirement"), *(arguments.words if arguments.verb in lists else ())]


def _of_files(arguments: Arguments, cwd: str) -> list[str]:
    """`-r pyproject.toml` builds the project beside it."""
    paths = (Path(cwd, word) for word in files(arguments))
    return [os.path.realpath(path.parent) for path in paths if path.name in _PROJECT_FILES]


def _root(here: str) -> str | None:
    """The nearest directory with a project, from `here` upwards."""
    places = (Path(here), *Path(here).parents)
    return next((str(place) for place in places if (place / "pyproject.toml").is_file()), None)


def _workspace(here: str, readable: Readable) -> Iterator[str]:
    nearest = _root(here)
    if nearest is None:
        return
    yield nearest
    for place in (Path(nearest), *Path(nearest).parents):
        members = _members(read_table(f"{place}/pyproject.toml", readable))
        if members:
            yield str(place)
            found = (path for pattern in members for path in place.glob(pattern))
            yield from (os.path.realpath(path) for path in islice(found, _MAX_MEMBERS) if path.is_dir())
            return


def _members(table: Table) -> list[str]:
    held = table_at(table, "tool", "uv", "workspace").get("members")
    words = [word for word in held if isinstance(word, str)] if isinstance(held, list) else []
    return [
        word for word in words if word and not word.startswith("/") and not re.search(r"(^|/)\.\.(/|$)", word)
    ]


def _paths(place: str, readable: Readable) -> Iterator[str]:
    """Directories that `[tool.uv.sources]` of a project of the user's leads to."""
    sources = table_at(read_table(f"{place}/pyproject.toml", readable), "tool", "uv", "sources")
    for held in sources.values():
        for row in held if isinstance(held, list) else [held]:
            path: Any = row.get("path") if isinstance(row, dict) else None
            if isinstance(path, str):
                yield os.path.realpath(Path(place, path))
