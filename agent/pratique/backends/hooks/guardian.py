"""The process that outlives the agent: without it, a dead agent's fanotify group lets every waiter through.

It is forked early and holds the permission group, the label map and the links of the kernel programs. When
the agent dies or falls silent it kills the labelled tree, refuses what waits, and lets go of everything, so
that unlabelled work is free again.
"""

import contextlib
import ctypes
import os
import resource
import select
import signal
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from pratique.backends import numbers
from pratique.backends.hooks import fanotify
from pratique.errors import GuardError

INTERVAL = 5.0
"""Seconds of silence after which the agent counts as lost."""
STRIKE_SECONDS = 10.0
"""How long the guardian tries to end the labelled tree before it lets go."""
ANSWERED_NUMBERS = 1024
"""Events the agent had read are answered by the number their descriptor had there (see EVENTS_PER_READ)."""

HAND_OVER_SECONDS = 30.0
"""How long the guarded trees wait for the next agent when one has ended on purpose."""

_BEAT, _RELEASE, _READY, _HOLD, _HAND_OVER = b"b", b"r", b"y", b"h", b"o"
_START_SECONDS = 5.0
_PAUSE = 0.005
_TEND_SECONDS = 0.25
_ROUNDS = 1 << 20

_BPF = {"x86_64": 321, "aarch64": 280}
_MAP_LOOKUP, _MAP_UPDATE, _MAP_NEXT_KEY = 1, 2, 4
_ATTR = struct.Struct("=I4xQQQ")
_VALUE_BYTES = 256
"""Room for the label, of which only the run (its first eight bytes) is read."""

_FIRST = ctypes.c_uint32(0)
_KEEPER_AT = 20
"""Where `struct beginnings` keeps its keeper; this module stays free of the mirrors."""

_PR_SET_NAME = 15
_libc = ctypes.CDLL(None, use_errno=True)

_IGNORED = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGPIPE,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
)


class Tend(Protocol):
    """What the guardian does besides."""

    def __call__(self, *, lost: bool) -> None:
        """`lost`: the agent is, and this is the last time."""


class Guardian:
    """Starts the guardian process and keeps it informed; all methods are the agent's.

    `gate` is the fanotify permission group, `labels` the BPF map (u32 tgid → u64 run …), `keep` whatever
    else must stay open while the tree lives (links of programs). Call `start()` while the agent has one
    thread, `beat()` at least four times per `interval`, and watch `fd`: it is readable once the guardian
    is dead, and then the agent must end the run itself.
    """

    def __init__(
        self,
        gate: int,
        labels: int,
        run: int,
        keep: Sequence[int] = (),
        interval: float = INTERVAL,
        begun: int = -1,
        *,
        needed: bool = True,
        tend: Tend | None = None,
    ) -> None:
        """`begun`: the map that says how runs begin, for an agent that may hand over to another.

        Not `needed`: the kernel goes on refusing by itself, so that nobody is ended when the agent is lost.
        `tend`: what it does several times a second besides, and once more then; in its own process.
        """
        self.pid = 0
        self.fd = -1
        """A pidfd of the guardian; -1 before `start()` and after `release()`."""
        self._gate = gate
        self._labels = labels
        self._run = run
        self._keep = tuple(keep)
        self._interval = interval
        self._begun = begun
        self._needed = needed
        self._tend = tend
        self._control: socket.socket | None = None

    def start(self) -> None:
        """Fork it and wait until it keeps watch; `GuardError` and nothing left behind if that fails."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        agent = os.pidfd_open(os.getpid())
        try:
            self.pid = os.fork()
        except OSError as error:
            ours.close()
            raise GuardError(f"the guardian cannot be started: {error.strerror}") from error
        finally:
            if self.pid:
                theirs.close()
                os.close(agent)
        if self.pid == 0:
            self._live(theirs.detach(), agent)
        self.fd = os.pidfd_open(self.pid)
        self._control = ours
        ours.setblocking(False)
        if not _is_readable(ours.fileno(), _START_SECONDS) or _receive(ours.fileno()) != _READY:
            self.release()
            raise GuardError("the guardian died at its start")

    def beat(self) -> None:
        """Tell it that the agent lives."""
        if self._control:
            with contextlib.suppress(OSError):  # full: it has enough beats; broken: alive() tells
                self._control.send(_BEAT)

    def hold(self, fd: int) -> None:
        """Give it one more descriptor to keep open; `GuardError` when it cannot be reached."""
        if self._control is None:
            return
        try:
            socket.send_fds(self._control, [_HOLD], [fd])
        except OSError as error:
            raise GuardError(f"the guardian cannot be reached: {error.strerror}") from error

    def alive(self) -> bool:
        """Whether it is still there."""
        return self.fd >= 0 and not _is_readable(self.fd)

    def hand_over(self) -> None:
        """Let it hold the guard until another agent takes over: this one is about to end."""
        if self._control is not None:
            self._control.setblocking(True)
            with contextlib.suppress(OSError):  # one that was not needed may be gone
                self._control.send(_HAND_OVER)
            self._control.close()
            os.close(self.fd)
            self._control, self.fd = None, -1

    def release(self, timeout: float = 2.0) -> None:
        """End it without harm to anyone; safe to call twice."""
        if self._control is None:
            return
        with contextlib.suppress(OSError):
            self._control.send(_RELEASE)
        if not _is_readable(self.fd, timeout):
            signal.pidfd_send_signal(self.fd, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # the main loop may have reaped it
            os.waitpid(self.pid, 0)
        self._control.close()
        os.close(self.fd)
        self._control, self.fd = None, -1

    def _live(self, control: int, agent: int) -> None:
        """Be the guardian; never returns."""
        status = 1
        try:
            begun = () if self._begun < 0 else (self._begun,)
            _seclude((self._gate, self._labels, control, agent, *begun, *self._keep))
            watch = _Watch(self._gate, self._labels, self._run, control, agent, self._interval, self._begun)
            watch.needed, watch.tend = self._needed, self._tend
            os.write(control, _READY)
            status = watch.keep()
        finally:
            os._exit(status)


class _Watch:
    """The guardian's own side."""

    def __init__(
        self, gate: int, labels: int, run: int, control: int, agent: int, interval: float, begun: int
    ) -> None:
        self._gate = gate
        self._labels = labels
        self._run = run
        self._control = control
        self._agent = agent
        self._interval = interval
        self._begun = begun
        self.needed = True
        self.tend: Tend | None = None
        self._held: list[int] = []
        """Never used and never closed: what they stand for lives as long as this process."""

    def keep(self) -> int:
        """Wait for release (0), or for the agent's end, and then strike."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._agent, select.POLLIN)
        deadline = time.monotonic() + self._interval
        while True:
            ready = dict(poll.poll(self._patience(deadline) * 1000))
            self._also(lost=False)
            word = self._word() if self._control in ready else None
            if word == _RELEASE:
                return 0
            if word == _HAND_OVER:
                return self._between()
            if word in (_BEAT, _HOLD):
                deadline = time.monotonic() + self._interval
            elif ready or time.monotonic() >= deadline:
                return self._strike() if self.needed else self._let_be()

    def _patience(self, deadline: float) -> float:
        left = max(0.0, deadline - time.monotonic())
        return left if self.tend is None else min(left, _TEND_SECONDS)

    def _also(self, *, lost: bool) -> None:
        if self.tend is not None:
            with contextlib.suppress(Exception):  # whatever fails there, the watch goes on
                self.tend(lost=lost)

    def _word(self) -> bytes:
        with socket.socket(fileno=os.dup(self._control)) as control:
            try:
                word, descriptors, *_ = socket.recv_fds(control, 16, 1)
            except OSError:
                return b""
        self._held += descriptors
        return word

    def _between(self) -> int:
        """Refuse what is opened until another agent has taken over; if none does, end the guard orderly."""
        keeper = _keeper(self._begun)
        deadline = time.monotonic() + HAND_OVER_SECONDS
        _is_readable(self._agent, 1.0)
        self._answer_numbers()  # what it had read and will not answer
        while time.monotonic() < deadline:
            self._answer_queue()
            self._also(lost=False)
            if _keeper(self._begun) not in (0, keeper):  # 0: another version wants no more runs of this one
                return 0
            time.sleep(_PAUSE)
        _begin_no_more(self._begun)
        return self._strike()

    def _strike(self) -> int:
        """End the tree and refuse what waits; 0 when nobody of the run is left."""
        self._end_agent()
        deadline = time.monotonic() + STRIKE_SECONDS
        while True:
            alive = [pid for pid in labelled(self._labels, self._run) if self._kill(pid)]
            self._answer_numbers()
            self._answer_queue()
            if not alive or time.monotonic() >= deadline:
                return int(bool(alive))
            time.sleep(_PAUSE)

    def _let_be(self) -> int:
        self._end_agent()
        self._also(lost=True)
        return 0

    def _end_agent(self) -> None:
        """A stopped or stuck agent must not come back and answer; a dead one does not mind."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._agent, signal.SIGKILL)
        _is_readable(self._agent, 1.0)

    def _kill(self, pid: int) -> bool:
        """Kill a labelled process; False if it is dead already, were its label still there."""
        try:
            process = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            # The pidfd pins the process: with its label looked up now it is no later owner of the number.
            if _is_readable(process) or not self._is_ours(pid):
                return False
            signal.pidfd_send_signal(process, signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            os.close(process)
        return True

    def _answer_numbers(self) -> None:
        for number in range(ANSWERED_NUMBERS):
            fanotify.answer(self._gate, number, allow=False)

    def _is_ours(self, pid: int) -> bool:
        run = run_of(self._labels, pid)
        return run is not None and numbers.belongs(run, self._run)

    def _answer_queue(self) -> None:
        for _ in range(_ROUNDS):
            try:
                events = fanotify.read_gate(self._gate)
            except BlockingIOError:
                return
            except OSError:
                continue  # the kernel has refused that event; the next one may do
            for event in events:
                if event.fd >= 0:
                    allow = not self._is_ours(event.pid)
                    fanotify.answer(self._gate, event.fd, allow)
                    os.close(event.fd)


def _keeper(begun: int) -> int:
    value = ctypes.create_string_buffer(_VALUE_BYTES)
    if _bpf(_MAP_LOOKUP, begun, ctypes.addressof(_FIRST), ctypes.addressof(value)) < 0:
        return 0
    return int(struct.unpack_from("=I", value, _KEEPER_AT)[0])


def _begin_no_more(begun: int) -> None:
    value = ctypes.create_string_buffer(_VALUE_BYTES)
    _bpf(_MAP_UPDATE, begun, ctypes.addressof(_FIRST), ctypes.addressof(value))


def labelled(labels: int, run: int) -> list[int]:
    """The pids that the label map holds for the run, or for a family of runs."""
    found = ((pid, run_of(labels, pid)) for pid in dict.fromkeys(_keys(labels)))
    return [pid for pid, number in found if number is not None and numbers.belongs(number, run)]


def pids(labels: int) -> list[int]:
    """Every pid in the label map, of whatever run."""
    return list(dict.fromkeys(_keys(labels)))


def run_of(labels: int, pid: int) -> int | None:
    """The run a pid is labelled with; None if it has no label."""
    key, value = ctypes.c_uint32(pid), ctypes.create_string_buffer(_VALUE_BYTES)
    if _bpf(_MAP_LOOKUP, labels, ctypes.addressof(key), ctypes.addressof(value)) < 0:
        return None
    return int(struct.unpack_from("=Q", value)[0])


def _keys(labels: int) -> Iterator[int]:
    """Every key; one may come twice while others are deleted (the walk starts again then)."""
    key, following = ctypes.c_uint32(0), ctypes.c_uint32()
    start = 0
    for _ in range(_ROUNDS):
        if _bpf(_MAP_NEXT_KEY, labels, start, ctypes.addressof(following)) < 0:
            return
        yield following.value
        key.value = following.value
        start = ctypes.addressof(key)


def _bpf(command: int, labels: int, key: int, value: int) -> int:
    attr = ctypes.create_string_buffer(_ATTR.pack(labels, key, value, 0), _ATTR.size)
    return int(_libc.syscall(_BPF_NUMBER, command, attr, _ATTR.size))


_BPF_NUMBER = _BPF.get(os.uname().machine, _BPF["x86_64"])


def _seclude(keep: Sequence[int]) -> None:
    """Hold nothing but what is kept, hear no signal that can be ignored, be the last to die of memory."""
    for ignored in _IGNORED:
        signal.signal(ignored, signal.SIG_IGN)
    os.setsid()
    os.chdir("/")
    _libc.prctl(_PR_SET_NAME, b"pratique-guard", 0, 0, 0)
    with contextlib.suppress(OSError):  # EACCES without CAP_SYS_RESOURCE: the rest holds all the same
        Path("/proc/self/oom_score_adj").write_bytes(b"-1000")
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        if number not in keep:
            os.dup2(null, number)
    _close_all_but({0, 1, 2, *keep})


def _close_all_but(keep: set[int]) -> None:
    start = 0
    for number in sorted(keep):
        if start < number:  # an empty range at 0 would close everything (Python 3.11 passes -1 as its end)
            os.closerange(start, number)
        start = number + 1
    os.closerange(start, max(start + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0]))


def _receive(control: int) -> bytes:
    try:
        return os.read(control, 16)
    except OSError:
        return b""


def _is_readable(fd: int, timeout: float = 0.0) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(timeout * 1000))
