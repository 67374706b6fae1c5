"""What the module remembers of a run: requests frozen before package code ran, and builds once identified."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pratique.managers.base import Context
from pratique.managers.pip.arguments import Arguments, Wanted, gather, is_path, local_path, name_of
from pratique.managers.pip.project import inode
from pratique.managers.uv import project
from pratique.managers.uv.arguments import after_uv, parse
from pratique.managers.uv.config import Config, configured, directory, working
from pratique.model import Identity
from pratique.words import Quality


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


@dataclass(frozen=True, slots=True)
class Build:
    """A source whose code has begun to run: its directory, its build environment, and who it is."""

    inode: tuple[int, int] | None
    environment: str
    identity: Identity
    reason: str


@dataclass
class Memory:
    """Kept in `Context.memory`, one for the run."""

    began: float = field(default_factory=time.time)
    requests: dict[tuple[int, tuple[str, ...]], Request] = field(default_factory=dict)
    builds: dict[str, Build] = field(default_factory=dict)
    environments: dict[str, str] = field(default_factory=dict)
    """Build environment → the one directory that may be built with it."""
    nested: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Managers that the user started through `uv run`: pid and argv."""
    own: set[str] = field(default_factory=set)
    """Directories of the user's whose build hooks have run."""

    def request(self, context: Context) -> Request:
        """The manager's request, read at its first child and never again."""
        manager = context.manager
        key = (manager.pid, manager.argv)
        if key not in self.requests:
            self.requests[key] = _read(context)
        return self.requests[key]

    def innermost(self, context: Context) -> Context:
        """`uv run uv …`: what the inner uv starts is judged by what that one was asked for."""
        parent = context.parent
        inner = parent.pid != context.manager.pid and self.nested.get(parent.pid) == parent.argv
        return context._replace(manager=parent) if inner else context

    def ran_in(self, place: str) -> bool:
        """Whether package code has been started in the directory or above it."""
        return any(place == root or place.startswith(f"{root}/") for root in self.builds)

    def replaced(self) -> bool:
        """Whether another thing stands where a source was unpacked: a link there leads uv elsewhere."""
        return any(
            os.path.lexists(root) and inode(root) != build.inode for root, build in self.builds.items()
        )

    def moved(self, root: str) -> bool:
        """Whether the directory is the one in which another source's code began."""
        here = inode(root)
        return any(other != root and here == build.inode for other, build in self.builds.items())

    def verified(self, purl: str) -> Identity | None:
        """The one verified source of that name and version whose code this run has built."""
        found = {build.identity for build in self.builds.values() if build.identity.purl == purl}
        one = next(iter(found)) if len(found) == 1 else None
        return one if one is not None and one.quality is Quality.VERIFIED else None


def memory_of(context: Context) -> Memory:
    """The memory of this run."""
    memory = context.memory.setdefault("uv", Memory())
    if not isinstance(memory, Memory):
        raise TypeError("another module took uv's place in the memory of the run")
    return memory


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


def _user(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return os.getuid()


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
        configured(arguments, wanted, manager.environment, cwd, readable, _user(manager.pid)),
        here,
    )
