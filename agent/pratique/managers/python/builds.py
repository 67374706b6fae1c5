"""What a manager of Python packages remembers of a run: requests, and builds, each identified once."""

import contextlib
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pratique.managers.base import Context
from pratique.managers.pip.project import inode
from pratique.model import Identity
from pratique.words import Quality

R = TypeVar("R")

_MOST_HELD = 200


@dataclass(frozen=True, slots=True)
class Build:
    """A source whose code has begun to run: its directory, its build environment, and who it is."""

    inode: tuple[int, int] | None
    environment: str
    identity: Identity
    reason: str


class _Held:
    """A directory kept open as long as this lives: the number of one that is gone would be given to the next."""

    def __init__(self, path: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            weakref.finalize(self, os.close, fd)


@dataclass
class Builds(Generic[R]):
    """Kept in `Context.memory`, one for the run; `R` is what one command was asked for."""

    requests: dict[tuple[int, tuple[str, ...]], R] = field(default_factory=dict)
    builds: dict[str, Build] = field(default_factory=dict)
    environments: dict[str, str] = field(default_factory=dict)
    """Build environment → the one directory that may be built with it."""
    held: list[_Held] = field(default_factory=list)

    def asked(self, context: Context, read: Callable[[Context], R]) -> R:
        """The manager's request, read at its first child and never again."""
        key = (context.manager.pid, context.manager.argv)
        if key not in self.requests:
            self.requests[key] = read(context)
        return self.requests[key]

    def identify(
        self, root: str, environment: str, astray: bool, examine: Callable[[], tuple[Identity, str]]
    ) -> tuple[Identity, str]:
        """Identity of the source in a directory, examined at its first code and kept.

        `astray`: the manager knows that this is not where the source belongs.
        """
        owner = self.environments.get(environment, root)
        if self.replaced() or astray or owner != root:
            return self._mixed(root, owner)
        if root not in self.builds:
            if len(self.held) < _MOST_HELD:
                self.held.append(_Held(root))
            self.builds[root] = Build(inode(root), environment, *examine())
        if environment:
            self.environments[environment] = root
        return self.builds[root].identity, self.builds[root].reason

    def ran_in(self, place: str) -> bool:
        """Whether package code has been started in the directory or above it."""
        return any(place == root or place.startswith(f"{root}/") for root in self.builds)

    def replaced(self) -> bool:
        """Whether another thing stands where a source was unpacked: a link there leads the manager elsewhere."""
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

    def _mixed(self, root: str, owner: str) -> tuple[Identity, str]:
        purls = (self.builds[key].identity.purl for key in (owner, root) if key in self.builds)
        candidates = tuple(dict.fromkeys(purl for purl in purls if purl))
        return Identity(candidates=candidates), "its directory is not the one its code was unpacked into"
