"""Socket addresses as a caller lays them in memory: bytes of hostile code, taken apart and never trusted."""

import socket
import struct
from typing import NamedTuple

_FAMILY = struct.Struct("=H")
# Where the host lies in an address of each family.
_HOSTS = {int(socket.AF_INET): slice(4, 8), int(socket.AF_INET6): slice(8, 24)}
_LONGEST = 128

LIMIT = _LONGEST
"""No address is longer (`sockaddr_storage`)."""


class Address(NamedTuple):
    """Where a socket is to be connected, or something sent to."""

    family: int
    raw: bytes
    host: str | None = None
    port: int | None = None
    path: str | None = None
    """Of a unix socket in the file system."""
    abstract: bytes | None = None


def parse(raw: bytes) -> Address | None:
    """Take an address apart; None when it is too short for its family."""
    if len(raw) < _FAMILY.size:
        return None
    (family,) = _FAMILY.unpack_from(raw)
    if family == socket.AF_UNIX:
        return _unix(raw)
    if family not in _HOSTS:
        return Address(family, raw)
    host = _HOSTS[family]
    if len(raw) < host.stop:
        return None
    return Address(family, raw, socket.inet_ntop(family, raw[host]), int.from_bytes(raw[2:4], "big"))


def _unix(raw: bytes) -> Address | None:
    name = raw[_FAMILY.size :]
    if not name:
        return None
    if name[:1] == b"\0":
        return Address(socket.AF_UNIX, raw, abstract=name[1:])
    path = name.split(b"\0", 1)[0].decode(errors="surrogateescape")
    return Address(socket.AF_UNIX, raw, path=path)
