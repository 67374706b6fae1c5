"""pdm: what a command was asked for, and which directories are the user's own."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pratique.managers import hosts
from pratique.managers.base import Context, Learned, Stopped
from pratique.managers.node.arguments import Arguments
from pratique.managers.pdm import evidence
from pratique.managers.pdm.facts import facts
from pratique.managers.pip.arguments import name_of
from pratique.managers.pip.project import inode
from pratique.managers.python.family import PythonFamily, Request, root_of
from pratique.managers.uv.config import read_table, table_at
from pratique.managers.uv.project import dependencies
from pratique.model import Identity


class Pdm(PythonFamily):
    """The `Manager` for pdm."""

    name = "pdm"

    def request(self, arguments: Arguments, manager: Stopped) -> Request:
        """The project around the directory it works in, and what is editable."""
        places = arguments.all("--project")[-1:]
        root = root_of(os.path.realpath(Path(manager.cwd, *places)))
        own = [root, *(os.path.realpath(Path(manager.cwd, path)) for path in arguments.all("--editable"))]
        asked = arguments.words if arguments.verb in self.facts.packages else ()
        named = {name for name in map(name_of, asked) if name}
        return Request(
            arguments,
            root,
            manager.environment.get("HOME", ""),
            manager.environment,
            {place: key for place in own if (key := inode(place))},
            frozenset(named or dependencies(root, _readable)),
        )

    def source(self, child: Stopped) -> str | None:
        """A temporary directory of pdm's."""
        found = re.match(facts().own["source"] + r"(?=/|$)", child.cwd)
        return found[0] if found else None

    def environment(self, child: Stopped) -> str:
        """The overlay: the interpreter is the project's own."""
        found = re.match(facts().own["overlay"], child.environment.get("PYTHONPATH", ""))
        return found[0] if found else ""

    def examine(self, root: str, context: Context, request: Request) -> tuple[Identity, str]:
        """By the archive it was unpacked from."""
        return evidence.examine(root, context, request)

    def learned(self, argv: tuple[str, ...], environment: Mapping[str, str], cwd: str) -> Iterator[Learned]:
        """The project's sources, proxies, and URLs on the command line."""
        rows = table_at(read_table(f"{root_of(cwd)}/pyproject.toml", _readable), "tool", "pdm").get("source")
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict):
                yield from hosts.at(str(row.get("url")), "a source of the project")
        yield from super().learned(argv, environment, cwd)


def _readable(_: str) -> bool:
    return True
