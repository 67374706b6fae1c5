"""Who asks: by the kernel's word on the socket and the peer's label, never by what the message says."""

import contextlib
import grp
import os
import pwd
import socket
import struct
from typing import NamedTuple

GROUP = "pratique"
_CREDENTIALS = struct.Struct("iII")


class Peer(NamedTuple):
    """The process at the other end."""

    pid: int
    uid: int
    gid: int

    @property
    def sees_all(self) -> bool:
        """Whether it may see and change everything: root, and members of the group `pratique`."""
        return self.uid == 0 or _in_group(self.uid, self.gid)

    def owns(self, uid: int) -> bool:
        """Whether what belongs to that user may be shown to it."""
        return self.sees_all or self.uid == uid


def of(connection: socket.socket) -> Peer:
    """The peer of a connected unix socket, as it was when it connected."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return Peer(*_CREDENTIALS.unpack(raw))


def _in_group(uid: int, gid: int) -> bool:
    with contextlib.suppress(KeyError):
        wanted = grp.getgrnam(GROUP).gr_gid
        return wanted == gid or wanted in os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    return False
