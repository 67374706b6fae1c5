"""CPU time of everything a command starts: the guard's own processes, and those that nobody waits for."""

import os
import resource
from types import TracebackType

from pratique.backends.hooks.cgroup import open_root

_USAGE = "usage_usec "


class Account:
    """A control group of its own: what is started through `enter` is billed to it, with all its descendants."""

    def __init__(self) -> None:
        self._name = f"pratique-bench-{os.getpid()}"
        self._group = -1
        self._root = -1

    def __enter__(self) -> "Account":
        self._root = open_root()
        os.mkdir(self._name, dir_fd=self._root)
        self._group = os.open(self._name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._root)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._group)
        try:
            os.rmdir(self._name, dir_fd=self._root)
        finally:
            os.close(self._root)

    def enter(self) -> None:
        """Move into the group: for the child, before exec."""
        joined = os.open("cgroup.procs", os.O_WRONLY, dir_fd=self._group)
        os.write(joined, b"0")
        os.close(joined)

    def seconds(self) -> float:
        """What was billed so far."""
        with os.fdopen(os.open("cpu.stat", os.O_RDONLY, dir_fd=self._group), encoding="ascii") as stat:
            line = next(line for line in stat if line.startswith(_USAGE))
        return int(line.removeprefix(_USAGE)) / 1e6


class Waited:
    """For whoever can make no control group: what was started and has been waited for, with what those waited for."""

    def __enter__(self) -> "Waited":
        self._before = _waited()
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was set up."""

    def enter(self) -> None:
        """Nothing to move into."""

    def seconds(self) -> float:
        """What was used so far."""
        return _waited() - self._before


def account() -> Account | Waited:
    """The better of the two that this user can have."""
    return Account() if os.geteuid() == 0 else Waited()


def _waited() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
