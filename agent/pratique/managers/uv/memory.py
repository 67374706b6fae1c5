"""What the module remembers of a run: requests frozen before package code ran, and builds once identified."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pratique import proc
from pratique.managers.base import Context
from pratique.managers.pip.arguments import Arguments, Wanted, gather, is_path, local_path, name_of
from pratique.managers.pip.project import inode
from pratique.managers.python.builds import Builds
from pratique.managers.uv import project
from pratique.managers.uv.arguments import after_uv, parse
from pratique.managers.uv.config import Config, configured, directory, working


@dataclass(frozen=True, slots=True)
class Request:
    """What one uv command was asked for."""

    arguments: Arguments
    wanted: Wanted
    names: frozenset[str]
    """Canonical names of what the user asked for, on the command line or in the project."""
    directories: dict[str, tuple[int, int]]
    config: Config
    here: str
    """Where the project is looked for."""


@dataclass
class Memory(Builds[Request]):
    """Kept in `Context.memory`, one for the run."""

    began: float = field(default_factory=time.time)
    nested: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Managers that the user started through `uv run`: pid and argv."""
    own: set[str] = field(default_factory=set)
    """Directories of the user's whose build hooks have run."""

    def request(self, context: Context) -> Request:
        """The manager's request, read at its first child and never again."""
        return self.asked(context, _read)

    def innermost(self, context: Context) -> Context:
        """`uv run uv …`: what the inner uv starts is judged by what that one was asked for."""
        parent = context.parent
        inner = parent.pid != context.manager.pid and self.nested.get(parent.pid) == parent.argv
        return context._replace(manager=parent) if inner else context


def wanted_by(arguments: Arguments, cwd: str, readable: Callable[[str], bool]) -> Wanted:
    """What the command line asks for, requirements files included."""
    names = project.files(arguments)
    lists = [name for name in names if Path(name).suffix not in (".toml", ".py", ".cfg", ".lock")]
    options = [("--requirement", name) for name in lists]
    options += [(name, value) for name, value in arguments.options if name in ("--editable", "--constraint")]
    return gather(Arguments(arguments.verb, tuple(options), tuple(_words(arguments))), cwd, {}, readable)


def names_of(
    arguments: Arguments, wanted: Wanted, here: str, readable: Callable[[str], bool]
) -> frozenset[str]:
    """Canonical names that the user asked for, whatever the verb."""
    names = set(wanted.names())
    if project.used(arguments):
        names |= set(project.dependencies(here, readable))
    return frozenset(names)


def _words(arguments: Arguments) -> list[str]:
    """Words that are requirements."""
    held = [
        *arguments.all("--from"),
        *(part for value in arguments.all("--with") for part in value.split(",")),
    ]
    if arguments.verb in ("pip install", "add", "tool install", "tool upgrade"):
        return [*arguments.words, *held]
    if arguments.verb in ("tool run", "tool uvx") and not arguments.has("--from"):
        return [_tool(word) for word in arguments.words[:1]] + held
    return held


def _tool(word: str) -> str:
    """`ruff@0.9` asks for ruff; a path or a URL is itself."""
    plain = name_of(word.partition("@")[0]) is not None and not is_path(word) and local_path(word) is None
    return word.partition("@")[0] if plain and "://" not in word else word


def user_of(pid: int) -> int:
    """Who runs a process."""
    owner = proc.owner_of(pid)
    return os.getuid() if owner is None else owner


def _read(context: Context) -> Request:
    manager, nobody = context.manager, context.written_by_package
    arguments = parse(after_uv(manager.argv))

    def readable(path: str) -> bool:
        return not nobody(path)

    cwd = working(arguments, manager.environment, manager.cwd)
    here = directory(arguments, manager.environment, cwd)
    wanted = wanted_by(arguments, cwd, readable)
    own = project.named(arguments, wanted, cwd, here, readable)
    return Request(
        arguments,
        wanted,
        names_of(arguments, wanted, here, readable),
        {place: key for place in own if (key := inode(place))},
        configured(arguments, wanted, manager.environment, cwd, readable, user_of(manager.pid)),
        here,
    )
