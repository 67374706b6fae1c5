"""Where the supervisor gets the sockets it connects and sends from: copies of the caller's, or its own.

A container may refuse `pidfd_getfd` (Docker's default profile does). There the sockets of package code are made
here and handed over, and what is needed of them is kept until they are connected: not longer, or the peer would
never hear that they were closed.
"""

import os
import re
import socket
from collections import OrderedDict
from contextlib import suppress
from typing import Protocol

from pratique.backends import syscalls
from pratique.backends.rootless.tasks import Task

_MOST_KEPT = 512
_INODE = re.compile(r"socket:\[([0-9]+)\]")


class Sockets(Protocol):
    """A source of sockets that are the caller's own, whatever happens to its descriptors meanwhile."""

    made_here: bool
    """Those of package code only; others are not held, and what they ask for goes on once it is judged."""

    def of(self, task: Task, number: int) -> socket.socket:
        """The socket behind a descriptor of the caller, to be closed; `OSError` where it cannot be had."""

    def release(self, held: socket.socket) -> None:
        """It is connected or listens now."""

    def close(self) -> None:
        """Let go of everything."""


class Copied:
    """Sockets taken out of the caller."""

    made_here = False

    def of(self, task: Task, number: int) -> socket.socket:
        """Copy the descriptor."""
        fd = syscalls.pidfd_getfd(task.pidfd, number & 0x7FFFFFFF)
        try:
            return socket.socket(fileno=fd)
        except OSError:
            os.close(fd)
            raise

    def release(self, held: socket.socket) -> None:
        """Nothing was kept."""

    def close(self) -> None:
        """Nothing was kept."""


class Made:
    """Sockets that were made here for their callers."""

    made_here = True

    def __init__(self) -> None:
        self._kept: OrderedDict[int, socket.socket] = OrderedDict()

    def make(self, family: int, kind: int, protocol: int) -> int:
        """A new socket; the descriptor to hand over."""
        made = socket.socket(family, kind, protocol)
        self._kept[os.fstat(made.fileno()).st_ino] = made
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)[1].close()
        return os.dup(made.fileno())

    def of(self, task: Task, number: int) -> socket.socket:
        """The one that was made here; `PermissionError` for any other."""
        match = _INODE.fullmatch(os.readlink(f"/proc/{task.pid}/fd/{number & 0x7FFFFFFF}"))  # noqa: PTH115
        kept = self._kept.get(int(match[1])) if match else None
        if kept is None:
            raise PermissionError("not made here, or in use already")
        return kept.dup()

    def release(self, held: socket.socket) -> None:
        """Only datagrams name somebody again."""
        if held.type != socket.SOCK_DGRAM:
            with suppress(KeyError):
                self._kept.pop(os.fstat(held.fileno()).st_ino).close()

    def close(self) -> None:
        """Close what is still kept."""
        while self._kept:
            self._kept.popitem()[1].close()
