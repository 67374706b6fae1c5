"""Who was stopped at a refusal so that its line can be read, and the word that lets it go on (ADR 66)."""

import contextlib
import os
import signal
import time

from pratique import proc
from pratique.backends.base import Hold
from pratique.backends.hooks.records import FileRecord
from pratique.backends.hooks.tables import u32
from pratique.backends.lsm.probes import Probes

_BEAT_SECONDS = 0.5
"""The kernel believes a beat for two seconds."""
_LONGEST = 500_000_000
"""Nanoseconds after which the guardian lets go on whom the agent has not thought of."""
_LAST_ROUNDS, _PAUSE = 20, 0.05
"""For a second after the agent's end: whoever was just being refused may still have believed in it."""
_STOPS = sum(1 << number - 1 for number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))


class Stops:
    """The agent's side, and, in a process of its own, the guardian's."""

    def __init__(self, probes: Probes) -> None:
        self.hold: Hold | None = None
        """Reads the line of a process and then calls back; None: nobody does, and nobody is stopped."""
        self._probes, self._stopped = probes, probes.table("stopped")
        self._next = 0.0

    @property
    def fds(self) -> tuple[int, int]:
        """What the guardian needs to tend."""
        return self._stopped.fd, self._probes.table("settings").fd

    def beat(self) -> None:
        """Say that lines are read, twice a second at most."""
        now = time.monotonic()
        if self.hold is not None and now >= self._next:
            self._next = now + _BEAT_SECONDS
            self._probes.beat(_now())

    def note(self, record: FileRecord) -> None:
        """Have the line of a stopped process read, or let it go on at once."""
        pid = record.head.pid
        if self.hold is None or not self.hold(pid, record.path, lambda: self.let_go(pid), record.head.tid):
            self.let_go(pid)

    def let_go(self, pid: int) -> None:
        """Let it go on, unless that was done, or somebody else has stopped it meanwhile: then it is theirs to."""
        if self._stopped.lookup(u32(pid)) is None:
            return
        # Before it has come to its stop, what is pending is ours.
        if proc.state_of(pid) != "T" or not proc.pending(pid) & _STOPS:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        # Last: as long as it stands there, the process is not stopped again.
        self._stopped.delete(u32(pid))

    def let_go_all(self, longest: int = 0) -> None:
        """Let everybody go on who has been stopped for that many nanoseconds."""
        for key in list(self._stopped):
            since = self._stopped.lookup(key)
            if since is not None and _now() - int.from_bytes(since, "little") >= longest:
                self.let_go(int.from_bytes(key, "little"))

    def tend(self, *, lost: bool) -> None:
        """For the guardian: nobody is stopped for longer than a moment, whatever becomes of the agent."""
        if not lost:
            self.let_go_all(_LONGEST)
            return
        for _ in range(_LAST_ROUNDS):
            self.end()
            time.sleep(_PAUSE)

    def end(self) -> None:
        """Nobody is stopped any more, and nobody will be."""
        self.hold = None
        self._probes.beat(0)
        self.let_go_all()


def _now() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
