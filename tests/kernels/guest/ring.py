"""An io_uring by hand: one entry at a time, no library."""

import ctypes
import mmap
import os
import struct

SETUP, ENTER = 425, 426
CONNECT, OPENAT, READ, SEND, RENAMEAT = 16, 18, 22, 26, 35
FORCE_ASYNC = 1 << 4
POLLED = 1 << 1
"""A ring that a kernel thread empties."""
_SQES, _GETEVENTS, _WAKE, _AT_FDCWD = 0x10000000, 1, 2, -100
_IDLE = 1000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def call(number: int, *arguments: object) -> int:
    """A raw system call; OSError as the kernel says."""
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *words))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class Ring:
    """Entries are submitted and waited for one after the other."""

    def __init__(self, flags: int = 0, setup: int = 0) -> None:
        self._asynchronous = flags
        self._enter = _GETEVENTS | (_WAKE if setup & POLLED else 0)
        parameters = ctypes.create_string_buffer(struct.pack("=5I", 0, 0, setup, 0, _IDLE), 120)
        self._fd = call(SETUP, 4, parameters)
        fields = struct.unpack_from("30I", parameters)
        # head, tail, mask, entries, flags, dropped, array of the submissions; the same of the completions
        self._sq, self._cq = fields[10:17], fields[20:26]
        self._map = mmap.mmap(self._fd, 1 << 14)
        self._entries = mmap.mmap(self._fd, 1 << 12, offset=_SQES)

    def do(self, code: int, fd: int, address: int, length: int, offset: int = 0, flags: int = 0) -> int:
        """Submit one entry and give its result; OSError for an error."""
        tail = self._word(self._sq[1])
        head = struct.pack("=BBHiQQII", code, self._asynchronous, 0, fd, offset, address, length, flags)
        self._entries[:64] = head.ljust(64, b"\0")
        self._put(self._sq[6] + 4 * (tail & 3), 0)
        self._put(self._sq[1], tail + 1)
        call(ENTER, self._fd, 1, 1, self._enter, None, 0)
        seen = self._word(self._cq[0])
        place = self._cq[5] + 16 * (seen & self._word(self._cq[2]))
        result = int(struct.unpack_from("=i", self._map, place + 8)[0])
        self._put(self._cq[0], seen + 1)
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return result

    def read(self, path: bytes) -> bytes:
        """Open and read a file, both on the ring."""
        name, room = ctypes.create_string_buffer(path), ctypes.create_string_buffer(4096)
        fd = self.do(OPENAT, _AT_FDCWD, ctypes.addressof(name), 0)
        length = self.do(READ, fd, ctypes.addressof(room), 4096)
        return room.raw[:length]

    def rename(self, old: bytes, new: bytes) -> None:
        """Rename on the ring."""
        one, other = ctypes.create_string_buffer(old), ctypes.create_string_buffer(new)
        at = _AT_FDCWD & 0xFFFFFFFF
        self.do(RENAMEAT, _AT_FDCWD, ctypes.addressof(one), at, ctypes.addressof(other))

    def say(self, fd: int, address: bytes, words: bytes) -> None:
        """Connect a socket and send, both on the ring."""
        where, what = ctypes.create_string_buffer(address, len(address)), ctypes.create_string_buffer(words)
        self.do(CONNECT, fd, ctypes.addressof(where), 0, len(address))
        self.do(SEND, fd, ctypes.addressof(what), len(words))

    def _word(self, at: int) -> int:
        return int(struct.unpack_from("=I", self._map, at)[0])

    def _put(self, at: int, value: int) -> None:
        struct.pack_into("=I", self._map, at, value)
