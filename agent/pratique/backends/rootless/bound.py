"""Who of the run has bound a port or an abstract name, by the tables of one network namespace."""

import os
from collections.abc import Callable
from contextlib import suppress

from pratique.backends.rootless.tasks import Tasks

_LISTENING = (b"0A", b"07")
_STATE, _INODE = 3, 9
_UNIX_INODE, _UNIX_NAME = 6, 7
_TABLES = ("tcp", "tcp6", "udp", "udp6")


class Bound:
    """What processes of the run have bound in a network namespace: that of `process`, by its number in /proc."""

    def __init__(self, tasks: Tasks, process: str = "self") -> None:
        self._tasks, self._net = tasks, f"/proc/{process}/net"

    def port(self, port: int) -> bool:
        """Whether a process of the run receives at that port."""
        wanted = b":%04X" % port

        def listens(words: list[bytes]) -> bool:
            return len(words) > _INODE and words[1].endswith(wanted) and words[_STATE] in _LISTENING

        return self._hold({inode for table in _TABLES for inode in self._column(table, listens, _INODE)})

    def abstract(self, name: bytes) -> bool:
        """Whether an abstract socket is one of the run's own: Landlock cannot ask for the supervisor's connects."""
        shown = b"@" + name.rstrip(b"\0").replace(b"\0", b"@")

        def named(words: list[bytes]) -> bool:
            return len(words) > _UNIX_NAME and words[_UNIX_NAME] == shown

        return self._hold(self._column("unix", named, _UNIX_INODE))

    def _column(self, table: str, wanted: Callable[[list[bytes]], bool], column: int) -> set[bytes]:
        with suppress(OSError), open(f"{self._net}/{table}", "rb") as file:  # noqa: PTH123
            return {words[column] for words in map(bytes.split, file) if wanted(words)}
        return set()

    def _hold(self, inodes: set[bytes]) -> bool:
        """Whether a process of the run holds one of these sockets."""
        wanted = {f"socket:[{int(inode)}]" for inode in inodes if inode != b"0"}
        if not wanted:
            return False
        for pid in self._tasks.survivors():
            with suppress(OSError):
                for number in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
                    with suppress(OSError):
                        if os.readlink(f"/proc/{pid}/fd/{number}") in wanted:  # noqa: PTH115
                            return True
        return False
