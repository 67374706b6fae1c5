"""Messages of `sendmsg` and its kind: copied whole out of the caller, sent from our own memory."""

import ctypes
import os
import struct

from pratique.backends import syscalls
from pratique.backends.rootless.tasks import Task

MOST_MESSAGES = 1_024
_HEADER = struct.Struct("=QI4xQQQQi4x")
_VECTOR = struct.Struct("=QQ")
_CONTROL = struct.Struct("=QII")
_LENGTH_AT = _HEADER.size
_STRIDE = _HEADER.size + 8
_MOST_VECTORS = 1_024
_MOST_DATA = 1 << 20
_MOST_CONTROL = 1 << 14
_LONGEST_NAME = 128
_SOL_SOCKET = 1
_SCM_RIGHTS = 1
_SCM_CREDENTIALS = 2

_libc = ctypes.CDLL(None, use_errno=True)
_libc.sendmsg.restype = ctypes.c_ssize_t


class Message:
    """What is to be sent, and to whom; an empty name is the socket's own peer."""

    def __init__(self, name: bytes, body: bytes, control: bytes = b"") -> None:
        self.name, self.body, self.control = name, body, control
        self.held: list[int] = []

    def resolved(self, place: int) -> None:
        """Name the unix socket behind a descriptor, so that no name is looked up again."""
        self.held.append(os.dup(place))
        self.name = b"\x01\x00" + f"/proc/self/fd/{self.held[-1]}".encode() + b"\0"

    def with_descriptors(self, task: Task) -> "Message":
        """The same, passing copies of the caller's descriptors instead of their numbers."""
        rows = [self._translated(task, *row) for row in _rows(self.control)]
        self.control = b"".join(rows)
        return self

    def send(self, number: int, flags: int) -> int:
        """Send it from a socket of ours; -1 and errno as libc says."""
        body = ctypes.create_string_buffer(self.body, len(self.body))
        name = ctypes.create_string_buffer(self.name, len(self.name))
        control = ctypes.create_string_buffer(self.control, len(self.control))
        vector = ctypes.create_string_buffer(
            _VECTOR.pack(ctypes.addressof(body), len(self.body)), _VECTOR.size
        )
        header = _HEADER.pack(
            ctypes.addressof(name) if self.name else 0,
            len(self.name),
            ctypes.addressof(vector),
            1,
            ctypes.addressof(control) if self.control else 0,
            len(self.control),
            0,
        )
        sent: int = _libc.sendmsg(number, header, flags)
        return sent

    def close(self) -> None:
        """Close the copies of descriptors."""
        while self.held:
            os.close(self.held.pop())

    def _translated(self, task: Task, level: int, kind: int, data: bytes) -> bytes:
        if level == _SOL_SOCKET and kind == _SCM_CREDENTIALS:
            return b""  # the kernel takes nobody's word for another process
        if level == _SOL_SOCKET and kind == _SCM_RIGHTS:
            numbers = [number for (number,) in struct.iter_unpack("=i", data[: len(data) // 4 * 4])]
            copies = [syscalls.pidfd_getfd(task.pidfd, number) for number in numbers]
            self.held += copies
            data = struct.pack(f"={len(copies)}i", *copies)
        packed = _CONTROL.pack(_CONTROL.size + len(data), level, kind) + data
        return packed.ljust(-(-len(packed) // 8) * 8, b"\0")


def read_message(task: Task, where: int, index: int = 0) -> Message | None:
    """Copy a message, or one of a row of them; None when a part of it cannot be read."""
    raw = task.read(where + index * _STRIDE, _HEADER.size)
    if raw is None or len(raw) < _HEADER.size:
        return None
    name_at, name_size, vectors_at, vectors, control_at, control_size, _ = _HEADER.unpack(raw)
    name = _read(task, name_at, min(name_size, _LONGEST_NAME)) if name_at else b""
    control = _read(task, control_at, min(control_size, _MOST_CONTROL)) if control_at else b""
    body = _gather(task, vectors_at, min(vectors, _MOST_VECTORS))
    if name is None or control is None or body is None:
        return None
    return Message(name, body, control)


def write_length(task: Task, where: int, index: int, length: int) -> None:
    """Tell the caller how much of one message of a row was sent."""
    task.write(where + index * _STRIDE + _LENGTH_AT, struct.pack("=I", length))


def _gather(task: Task, where: int, count: int) -> bytes | None:
    table = _read(task, where, count * _VECTOR.size)
    if table is None:
        return None
    parts: list[bytes] = []
    room = _MOST_DATA
    for base, length in _VECTOR.iter_unpack(table):
        part = _read(task, base, min(length, room))
        if part is None:
            return None
        parts.append(part)
        room -= len(part)
    return b"".join(parts)


def _read(task: Task, where: int, length: int) -> bytes | None:
    if not length:
        return b""
    found = task.read(where, length)
    return found if found is not None and len(found) == length else None


def _rows(control: bytes) -> list[tuple[int, int, bytes]]:
    """(level, type, data) of each control message; what is malformed ends the list."""
    rows = []
    at = 0
    while at + _CONTROL.size <= len(control):
        length, level, kind = _CONTROL.unpack_from(control, at)
        if length < _CONTROL.size or at + length > len(control):
            break
        rows.append((level, kind, control[at + _CONTROL.size : at + length]))
        at += -(-length // 8) * 8
    return rows
