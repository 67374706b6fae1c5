"""Namespaces of a run's own (tier 1 of docs/rootless.md): users, mounts, processes, network, System V objects.

Who is inside has nobody else's process to name, no route, and no shared memory of others. Mounts are those of the
host but for /proc, so a path means the same inside and outside. Whoever made the namespaces, as whom he is, may look
at everything in them: the supervisor stays outside, and needs no right that it has not.
"""

import fcntl
import os
import socket
import struct

from pratique.backends import syscalls

_OWN = (
    syscalls.CLONE_NEWUSER
    | syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWNET
    | syscalls.CLONE_NEWIPC
)
# No program of that file system runs setuid, and it holds neither devices nor programs.
_OF_PROC = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
_SET_FLAGS, _UP = 0x8914, 0x1
_REQUEST = struct.Struct("=16sH22x")
_NETWORK_COOKIE, _COOKIE = 71, 8


def leave() -> None:
    """Leave those of the parent; the next child is the first process inside. For a process with one thread."""
    user, group = os.geteuid(), os.getegid()
    syscalls.unshare(_OWN)
    # Everybody stays who he is: with another number, his own files would be somebody else's.
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")


def furnish() -> None:
    """Make the inside usable, as its first process: a /proc that shows it, and a loopback."""
    # What is mounted here is not seen outside: to another owner's namespace, mounts are passed one way.
    syscalls.call("mount", b"proc", b"/proc", b"proc", _OF_PROC, None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        fcntl.ioctl(made, _SET_FLAGS, _REQUEST.pack(b"lo", _UP))
        network_of(made)  # a kernel that does not tell must be found out here


def network_of(made: socket.socket) -> bytes:
    """What marks the network namespace that a socket belongs to, wherever it is now; `OSError` before Linux 5.14."""
    return made.getsockopt(socket.SOL_SOCKET, _NETWORK_COOKIE, _COOKIE)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(text)
