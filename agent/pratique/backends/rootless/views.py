"""Whose process a number means, and what /proc shows of it: from where the supervisor stands, and from inside."""

import os
from contextlib import suppress
from typing import Protocol

from pratique.backends import syscalls
from pratique.backends.rootless.locate import NO_LINKS, open_how
from pratique.backends.rootless.tasks import Tasks, innermost


class View(Protocol):
    """What a caller means by numbers of processes and paths of /proc."""

    def number(self, thread: int) -> int:
        """By which number a caller knows a process or thread of ours; 0: it is gone."""

    def process(self, number: int) -> int:
        """Which process of ours a caller means; 0: none that is known here."""

    def open(self, path: str, flags: int) -> int:
        """Open a path below the caller's /proc, following no link; `OSError` ELOOP at one."""

    def close(self) -> None:
        """Let go of what is held."""


class Shared:
    """Callers see what the supervisor sees."""

    def number(self, thread: int) -> int:
        """The same."""
        return thread

    def process(self, number: int) -> int:
        """The same."""
        return number

    def open(self, path: str, flags: int) -> int:
        """Open it in the only /proc there is."""
        return open_how(syscalls.AT_FDCWD, f"/proc/{path}", flags, NO_LINKS)

    def close(self) -> None:
        """Nothing is held."""


class Inside:
    """Callers are in a namespace of processes of their own."""

    def __init__(self, first: int, tasks: Tasks) -> None:
        """`first`: the first process in it."""
        self._tasks = tasks
        self._proc = os.open(f"/proc/{first}/root/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def number(self, thread: int) -> int:
        """Its innermost number."""
        return innermost(thread)

    def process(self, number: int) -> int:
        """The process of the run whose innermost number that is, or that of one of its threads."""
        with suppress(OSError), os.fdopen(self.open(f"{number}/status", os.O_RDONLY), "rb") as file:
            leader = next((int(line.split()[1]) for line in file if line.startswith(b"Tgid:")), 0)
            return next((pid for pid in self._tasks.survivors() if innermost(pid) == leader), 0)
        return 0

    def open(self, path: str, flags: int) -> int:
        """Open it in the /proc inside, which shows the numbers of there."""
        return open_how(self._proc, path, flags, NO_LINKS)

    def close(self) -> None:
        """Let go of that /proc."""
        os.close(self._proc)
