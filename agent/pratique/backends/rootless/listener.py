"""The descriptor of a seccomp filter at which stopped calls arrive and are answered."""

import errno
import fcntl
import os
import struct
from contextlib import suppress
from typing import NamedTuple

_RECEIVE = 0xC0502100
_SEND = 0xC0182101
_IS_VALID = 0x40082102
_ADD_DESCRIPTOR = 0xC0182103
_SET_FLAGS = 0x40082104
_ON_THE_SAME_PROCESSOR = 1  # SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP: who asks sleeps while it is answered
_GO_ON = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
_AT_NUMBER = 1  # SECCOMP_ADDFD_FLAG_SETFD
_AND_ANSWER = 2  # SECCOMP_ADDFD_FLAG_SEND

_NOTICE = struct.Struct("=QIIiIQ6Q")
_ANSWER = struct.Struct("=QqiI")
_ADDED = struct.Struct("=QIIII")
_GONE = (errno.ENOENT, errno.EINTR, errno.EINPROGRESS)


class Call(NamedTuple):
    """A stopped system call; registers only, which nobody can change any more."""

    id: int
    thread: int
    number: int
    arguments: tuple[int, ...]


class Listener:
    """Receives calls and answers each once; an answer to a caller that is gone is dropped."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        with suppress(OSError):  # before Linux 6.6
            fcntl.ioctl(fd, _SET_FLAGS, _ON_THE_SAME_PROCESSOR)

    def receive(self) -> Call | None:
        """The next call; None when its caller went away meanwhile. Wait for `fd` to be readable first."""
        buffer = bytearray(_NOTICE.size)
        try:
            fcntl.ioctl(self.fd, _RECEIVE, buffer, True)
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise
        identifier, thread, _flags, number, _arch, _at, *arguments = _NOTICE.unpack(buffer)
        return Call(identifier, thread, number, tuple(arguments))

    def go_on(self, call: Call) -> None:
        """Let the kernel carry the call out: it reads its arguments anew."""
        self._send(call, 0, 0, _GO_ON)

    def fail(self, call: Call, error: int) -> None:
        """Answer with an error number."""
        self._send(call, 0, -error, 0)

    def give(self, call: Call, value: int) -> None:
        """Answer with a value."""
        self._send(call, value, 0, 0)

    def hand(self, call: Call, fd: int, *, inheritable: bool) -> None:
        """Put a copy of our descriptor into the caller's table and answer with its number there."""
        flags = 0 if inheritable else os.O_CLOEXEC
        packed = bytearray(_ADDED.pack(call.id, _AND_ANSWER, fd, 0, flags))
        try:
            fcntl.ioctl(self.fd, _ADD_DESCRIPTOR, packed, True)
        except OSError as error:
            if error.errno not in _GONE:
                self.fail(call, error.errno or errno.EMFILE)

    def replace(self, call: Call, fd: int, number: int, *, inheritable: bool) -> bool:
        """Put a copy of our descriptor in the place of one of the caller's, who still waits; whether it is there."""
        flags = 0 if inheritable else os.O_CLOEXEC
        packed = bytearray(_ADDED.pack(call.id, _AT_NUMBER, fd, number, flags))
        try:
            fcntl.ioctl(self.fd, _ADD_DESCRIPTOR, packed, True)
        except OSError as error:
            return error.errno in _GONE
        return True

    def is_valid(self, call: Call) -> bool:
        """Whether the caller still waits: what was read of its memory was its own then."""
        try:
            fcntl.ioctl(self.fd, _IS_VALID, struct.pack("=Q", call.id))
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Calls that are not answered fail with ENOSYS from now on."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def _send(self, call: Call, value: int, error: int, flags: int) -> None:
        try:
            fcntl.ioctl(self.fd, _SEND, bytearray(_ANSWER.pack(call.id, value, error, flags)), True)
        except OSError as problem:
            if problem.errno not in _GONE:
                raise
