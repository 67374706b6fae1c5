"""What the module remembers of a run: requests frozen before package code ran, and builds once identified."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from pratique.managers.base import Context
from pratique.managers.pip.arguments import Arguments, Wanted, after_pip, gather, parse
from pratique.managers.pip.project import directories, inode
from pratique.managers.pip.sources import Sources, configured
from pratique.model import Identity


@dataclass(frozen=True, slots=True)
class Request:
    """What one pip command was asked for."""

    arguments: Arguments
    wanted: Wanted
    directories: dict[str, tuple[int, int]]
    sources: Sources


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

    requests: dict[tuple[int, tuple[str, ...]], Request] = field(default_factory=dict)
    nested: set[int] = field(default_factory=set)
    """Children of pip that resolve build requirements: what they are told to install is nobody's request."""
    reruns: set[int] = field(default_factory=set)
    """Children of pip that are the user's own command again, under another interpreter."""
    builds: dict[str, Build] = field(default_factory=dict)
    environments: dict[str, str] = field(default_factory=dict)
    """Build environment → the one directory that may be built with it."""
    checkouts: set[str] = field(default_factory=set)
    """Directories that a version control program of this run has just made."""
    package: str | None = None
    """The directory of the pip package, as its first child showed it."""

    def begins(self, pid: int) -> None:
        """A process executes: what is remembered of its number was another image."""
        self.nested.discard(pid)
        self.reruns.discard(pid)

    def request(self, context: Context) -> Request:
        """The manager's request, read at its first child and never again."""
        manager = context.manager
        key = (manager.pid, manager.argv)
        if key not in self.requests:
            self.requests[key] = _read(context)
        return self.requests[key]

    def ran_in(self, directory: str) -> bool:
        """Whether package code has been started in the directory or above it."""
        return any(directory == root or directory.startswith(f"{root}/") for root in self.builds)

    def replaced(self) -> bool:
        """Whether another thing stands where a source was unpacked: a link there leads pip elsewhere."""
        return any(
            os.path.lexists(root) and inode(root) != build.inode for root, build in self.builds.items()
        )

    def fresh_checkout(self, directory: str) -> bool:
        """Whether it lies in a checkout of this run in which no code has run yet."""
        made = any(directory == root or directory.startswith(f"{root}/") for root in self.checkouts)
        return made and not self.ran_in(directory)


def memory_of(context: Context) -> Memory:
    """The memory of this run."""
    memory = context.memory.setdefault("pip", Memory())
    if not isinstance(memory, Memory):
        raise TypeError("another module took pip's place in the memory of the run")
    return memory


def _read(context: Context) -> Request:
    manager = context.manager
    arguments = parse(after_pip(manager.argv))
    nobody = context.written_by_package
    wanted = gather(arguments, manager.cwd, manager.environment, lambda path: not nobody(path))
    return Request(
        arguments,
        wanted,
        directories(wanted, manager.cwd),
        configured(
            arguments, wanted, manager.argv[0] if manager.argv else "", manager.environment, manager.cwd
        ),
    )


def remember_checkout(memory: Memory, words: tuple[str, ...]) -> None:
    """`git clone … DEST` and its likes into nothing: what is in DEST will be the clone's."""
    if words[:1] and words[0] in ("clone", "checkout", "export", "branch") and words[-1].startswith("/"):
        place = Path(os.path.realpath(words[-1]))
        if not place.is_dir() or not any(place.iterdir()):
            memory.checkouts.add(str(place))
