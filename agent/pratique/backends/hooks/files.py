"""Guards files and programs with fanotify: refused in the kernel, on the resolved object."""

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence

from pratique.backends.hooks.appearances import Appearances, Appeared
from pratique.backends.hooks.gate import Gate, Hold, Judge, Labelled
from pratique.backends.hooks.marks import Marks
from pratique.errors import GuardError
from pratique.policy.places import Place
from pratique.words import Act

__all__ = ["Appeared", "FileGuard"]

SWITCH_INTERVAL = 0.0001
"""Seconds after which a busy thread of the agent must let the answering one run."""


class FileGuard:
    """Asks `judge` about every open of a secret, every create of a missing place, every exec of a program.

    `secrets` are guarded against any open (`file.read`), `missing` places against being made
    (`file.create`), `programs` against exec; what exists among `missing` is left alone. `temporary` maps
    directories to the group that starting a hidden file in them draws. Objects nobody listed are allowed.
    If `judge` raises, a labelled process is refused and any other allowed.

    The groups exist from construction on, so that the guardian can be forked (holding `fd`) before
    `start()` makes a thread. The main loop calls `sweep()` when `notice_fd` is readable and at least
    every `appearances.GRACE` seconds, then `appeared()`.
    """

    def __init__(
        self,
        secrets: Sequence[Place],
        missing: Sequence[Place],
        programs: Sequence[Place],
        judge: Judge,
        labelled: Labelled,
        temporary: Mapping[str, str] | None = None,
    ) -> None:
        self._places = (secrets, missing, programs)
        self._temporary = dict(temporary or {})
        try:
            self._gate = Gate(judge, labelled)
        except OSError as error:
            raise GuardError(f"fanotify permission events: {error.strerror}", "run as root") from error
        try:
            self._appearances = Appearances(self._gate.creations)
        except OSError as error:
            self._gate.stop()
            raise GuardError(f"fanotify notices: {error.strerror}", "Linux 6.1 or later is needed") from error
        self._marks = Marks(self._gate.fd, self._appearances.fd)
        self._switch_interval: float | None = None

    @property
    def fd(self) -> int:
        """The permission group, for the guardian to inherit; -1 after `stop()`."""
        return self._gate.fd

    @property
    def notice_fd(self) -> int:
        """Readable when `sweep()` has something to take in; -1 after `stop()`."""
        return self._appearances.fd

    @property
    def gaps(self) -> list[str]:
        """What could not be guarded and why, one line each."""
        return self._marks.gaps

    @property
    def lost(self) -> int:
        """Events that nobody judged or took in; anything but 0 makes a run incomplete."""
        return self._gate.lost + self._appearances.lost

    @property
    def answered(self) -> int:
        """Permission events answered so far."""
        return self._gate.answered

    @property
    def refused(self) -> int:
        """Of those, how many were refused."""
        return self._gate.refused

    @property
    def marks(self) -> int:
        """How many objects and directories are marked."""
        return len(self._marks)

    def hold_refusals(self, hold: Hold) -> None:
        """Ask `hold` before a refusal is answered."""
        self._gate.hold = hold

    def postpone(self, waits: Callable[[int], bool]) -> None:
        """Let an opener wait for as long as `waits(pid)`."""
        self._gate.postpone = lambda pid, _fd: waits(pid)

    def start(self) -> None:
        """Answer from now on, then mark; `GuardError` and nothing left behind if marking fails as a whole.

        The answering thread needs the interpreter lock several times per event. Beside a busy main loop and
        with Python's 5 ms switch interval a marked open took 50 ms and more; hence `SWITCH_INTERVAL`,
        which holds for the whole process until `stop()`.
        """
        self._switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL)
        try:
            self._gate.start()
            self._put()
        except Exception:
            self.stop()
            raise

    def notices(self) -> list[Exception]:
        """What judging raised since the last call; each of those events was answered all the same."""
        errors = self._gate.errors
        return [errors.popleft() for _ in range(len(errors))]

    def sweep(self) -> None:
        """Mark what appeared, and remove the empty files that refused creates left."""
        self._appearances.sweep(self._marks)

    def appeared(self) -> list[Appeared]:
        """Missing places that were filled by rename, link, symlink or mkdir, since the last call."""
        return self._appearances.appeared()

    def update(self, secrets: Sequence[Place], missing: Sequence[Place], programs: Sequence[Place]) -> None:
        """Guard these places from now on; what is both in the old and the new is guarded throughout."""
        old, self._places = self._marks, (secrets, missing, programs)
        self._marks = Marks(self._gate.fd, self._appearances.fd)
        self._put()
        old.withdraw(self._marks)

    def stop(self) -> None:
        """Remove every mark, answer who still waits, end the thread; safe to call twice."""
        if self._appearances.fd >= 0 and self._gate.fd >= 0:
            with contextlib.suppress(OSError):
                self.sweep()
        self._gate.stop()
        self._appearances.stop()
        if self._switch_interval is not None:
            sys.setswitchinterval(self._switch_interval)
            self._switch_interval = None

    def _put(self) -> None:
        secrets, missing, programs = self._places
        for place in secrets:
            self._marks.guard(place, Act.FILE_READ)
        for place in missing:
            if not place.exists:
                self._marks.guard(place, Act.FILE_CREATE)
        for place in programs:
            if place.exists:
                self._marks.guard_program(place)
        for folder, group in self._temporary.items():
            self._marks.guard_hidden(folder, group)
        self._marks.quieten()
        self._gate.index = self._marks.index
