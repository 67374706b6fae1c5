"""What the module remembers of a run: requests frozen before package code ran, and builds once identified."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from pratique.managers.base import Context
from pratique.managers.pip.arguments import Arguments, Wanted, after_pip, gather, parse
from pratique.managers.pip.project import directories
from pratique.managers.pip.sources import Sources, configured
from pratique.managers.python.builds import Builds


@dataclass(frozen=True, slots=True)
class Request:
    """What one pip command was asked for."""

    arguments: Arguments
    wanted: Wanted
    directories: dict[str, tuple[int, int]]
    sources: Sources


@dataclass
class Memory(Builds[Request]):
    """Kept in `Context.memory`, one for the run."""

    nested: set[int] = field(default_factory=set)
    """Children of pip that resolve build requirements: what they are told to install is nobody's request."""
    reruns: set[int] = field(default_factory=set)
    """Children of pip that are the user's own command again, under another interpreter."""
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
        return self.asked(context, _read)

    def fresh_checkout(self, directory: str) -> bool:
        """Whether it lies in a checkout of this run in which no code has run yet."""
        made = any(directory == root or directory.startswith(f"{root}/") for root in self.checkouts)
        return made and not self.ran_in(directory)


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
