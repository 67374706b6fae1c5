"""The same calls met by ptrace, where somebody else listens already: refused before, or looked at when they return.

Nothing can be put into the caller's table from here. So an open that may happen goes on, and what came of it is
compared with the rules before its author runs again; another thread of it may have read a byte by then. Only
the thread that attached may do any of this.
"""

import ctypes
import os
import queue
import signal
import struct
import threading
from collections import deque
from contextlib import suppress
from typing import NamedTuple

from pratique.backends.rootless.listener import Call
from pratique.errors import GuardError

MACHINE = "x86_64"
"""Where the registers are known."""
_CONT, _GETREGS, _SETREGS, _SYSCALL = 7, 12, 13, 24
_SEIZE, _LISTEN = 0x4206, 0x4208
# TRACESYSGOOD, forks of every kind, exec, seccomp, and death of all with the tracer.
_OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x80 | 0x100000
_EVENT_SECCOMP, _EVENT_STOP = 7, 128
_AT_RETURN = signal.SIGTRAP | 0x80
_WALL = 0x40000000
_STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_REGISTERS = struct.Struct("=27Q")
_RESULT, _NUMBER = 10, 15
_ARGUMENTS = (14, 13, 12, 7, 9, 8)
_NO_CALL = (1 << 64) - 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)


Key = tuple[int, int]


class Returned(NamedTuple):
    """A call that was let go on has come back."""

    call: Call
    value: int
    key: Key | None
    """The object that it should have opened; None where it was to be made."""


class Tracer:
    """A `Listener` over ptrace: to be made, and asked, by one and the same thread."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.fd = self._reading
        self._calls: deque[Call] = deque()
        self._checked: dict[int, tuple[Call, Key | None]] = {}
        self.returned: deque[Returned] = deque()
        """Calls to be looked at; each caller waits until `let_go`."""
        self._answers: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        self._thread = threading.get_ident()
        self.ends: dict[int, int] = {}
        """How processes ended, by number: whoever waits for one finds it here."""
        self._handler = signal.signal(signal.SIGCHLD, lambda *_: None)
        self._wakeup = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)

    def seize(self, pid: int) -> None:
        """Trace it and all it will start, from now on."""
        try:
            _ptrace(_SEIZE, pid, 0, _OPTIONS)
        except OSError as error:
            raise GuardError(f"the command cannot be traced: {error.strerror}") from error

    def receive(self) -> Call | None:
        """The next call; None when there is none, or something came back instead."""
        with suppress(BlockingIOError):
            os.read(self._reading, 4096)
        while not self._answers.empty():
            _answer(*self._answers.get())
        self._collect()
        call = self._calls.popleft() if self._calls else None
        if self._calls:
            self._wake()
        return call

    def go_on(self, call: Call) -> None:
        """Let the kernel carry the call out."""
        _resume(_CONT, call.thread)

    def check(self, call: Call, key: Key | None) -> None:
        """The same, and have it in `returned` before its author runs again."""
        self._checked[call.thread] = call, key
        _resume(_SYSCALL, call.thread)

    def let_go(self, back: Returned) -> None:
        """What came of it may be."""
        _resume(_CONT, back.call.thread)

    def fail(self, call: Call, error: int) -> None:
        """Answer with an error number."""
        self.give(call, -error)

    def give(self, call: Call, value: int) -> None:
        """Answer with a value; by whom ever: it is the thread that traces that does it."""
        if threading.get_ident() == self._thread:
            _answer(call.thread, value)
            return
        self._answers.put((call.thread, value))
        self._wake()

    def hand(self, call: Call, fd: int, *, inheritable: bool) -> None:
        """The caller opens it itself; what it got is looked at."""
        status = os.fstat(fd)
        self.check(call, (status.st_dev, status.st_ino))
        del inheritable

    def close(self) -> None:
        """Stop to answer. Signals are handled as before again where that can be done: in the thread that traces."""
        if self.fd >= 0 and threading.get_ident() == self._thread:
            signal.set_wakeup_fd(self._wakeup)
            signal.signal(signal.SIGCHLD, self._handler)
            os.close(self._reading)
            os.close(self._writing)
            self.fd = -1

    def _wake(self) -> None:
        with suppress(OSError):
            os.write(self._writing, b"w")

    def _collect(self) -> None:
        """Take up everything that has stopped or ended."""
        while True:
            try:
                thread, status = os.waitpid(-1, os.WNOHANG | _WALL)
            except ChildProcessError:
                return
            if thread == 0:
                return
            if os.WIFSTOPPED(status):
                self._stopped(thread, os.WSTOPSIG(status), status >> 16)
            else:
                self._checked.pop(thread, None)
                self.ends[thread] = status

    def _stopped(self, thread: int, number: int, event: int) -> None:
        if event == _EVENT_SECCOMP:
            with suppress(ProcessLookupError):
                self._calls.append(_call(thread))
        elif number == _AT_RETURN:
            self._came_back(thread)
        elif event == _EVENT_STOP and number in _STOPS:
            _resume(_LISTEN, thread)
        else:
            _resume(_CONT, thread, 0 if event else number)

    def _came_back(self, thread: int) -> None:
        checked = self._checked.pop(thread, None)
        if checked is None:
            _resume(_CONT, thread)
            return
        with suppress(ProcessLookupError):
            value = _registers(thread)[_RESULT]
            self.returned.append(
                Returned(checked[0], value - (1 << 64) if value >> 63 else value, checked[1])
            )


def _call(thread: int) -> Call:
    registers = _registers(thread)
    return Call(thread, thread, registers[_NUMBER], tuple(registers[at] for at in _ARGUMENTS))


def _answer(thread: int, value: int) -> None:
    with suppress(ProcessLookupError):
        registers = list(_registers(thread))
        registers[_NUMBER], registers[_RESULT] = _NO_CALL, value & _NO_CALL
        _ptrace(_SETREGS, thread, 0, ctypes.create_string_buffer(_REGISTERS.pack(*registers)))
    _resume(_CONT, thread)


def _resume(how: int, thread: int, number: int = 0) -> None:
    with suppress(ProcessLookupError):  # it was killed meanwhile
        _ptrace(how, thread, 0, number)


def _registers(thread: int) -> tuple[int, ...]:
    buffer = ctypes.create_string_buffer(_REGISTERS.size)
    _ptrace(_GETREGS, thread, 0, buffer)
    return _REGISTERS.unpack(buffer.raw)


def _ptrace(request: int, thread: int, address: int, data: object) -> None:
    if _libc.ptrace(request, thread, address, data) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
