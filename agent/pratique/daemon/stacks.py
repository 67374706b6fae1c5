"""The Python line behind a refusal: read while its author waits for the answer, or a moment after if nobody waits."""

import contextlib
import json
import os
import queue
import select
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pratique import proc

_WAITING = 8
_KEPT = 4096
_SECONDS = 0.3
_LOOK_SECONDS, _SLICE = 5.0, 0.02
"""Where nobody waits, a slow machine has more time, as long as nobody else begins to."""
_START_SECONDS = 15.0
_STOP_SECONDS, _STOP_SLICE = 0.1, 0.001


class _Job(NamedTuple):
    pid: int
    place: str
    answer: Callable[[], None] | None = None
    """None: it was refused before, and its author goes on."""
    inside: Sequence[str] = ()
    """Then only code in these folders and files is told."""
    thread: int = 0
    """The one that acts, of a process that is stopped; 0: it waits for its answer."""


class Stacks:
    """Delays a refusal for as long as reading the stack takes, at most 0.3 s; a few at a time, the rest at once."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[_Job] = queue.Queue(_WAITING)
        self._known: OrderedDict[tuple[int, str], dict[str, Any]] = OrderedDict()
        self._reader: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._late = 0

    @property
    def pid(self) -> int:
        """The reading process, which is no first run itself; 0 before `start`."""
        return self._reader.pid if self._reader else 0

    def start(self) -> None:
        """Start the reader; without pystack there are no lines, and nothing waits."""
        self._reader = subprocess.Popen(
            [sys.executable, "-m", "pratique.daemon.stack_reader"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._worker = threading.Thread(target=self._work, name="pratique-stacks", daemon=True)
        self._worker.start()

    def stop(self) -> None:
        """End the reader; safe to call twice."""
        self._ready = False
        reader = self._reader
        if reader is None:
            return
        reader.kill()
        self._jobs.put(_Job(0, ""))
        self._worker.join(_START_SECONDS)
        self._reader = None
        with reader:  # closes its pipes and waits
            pass

    def hold(self, pid: int, path: str, answer: Callable[[], None], thread: int = 0) -> bool:
        """See `backends.base.Hold`; False when it must be answered at once. For the answering thread."""
        if not self._ready:
            return False
        try:
            self._jobs.put_nowait(_Job(pid, path, answer, thread=thread))
        except queue.Full:
            return False
        return True

    def look(self, pid: int, place: str, inside: Sequence[str]) -> None:
        """See where in these folders and files a process is that was refused a moment ago; if nobody else waits.

        It goes on meanwhile, so this is the line at which it was seen. A process that is gone has none.
        """
        if self._ready and inside and self._jobs.empty() and (pid, place) not in self._known:
            with contextlib.suppress(queue.Full):
                self._jobs.put_nowait(_Job(pid, place, None, inside))

    def source(self, pid: int, place: str) -> dict[str, Any] | None:
        """The line that tried to reach `place` (as `place_of` names it), in the words of the report."""
        return self._known.get((pid, place))

    def _work(self) -> None:
        self._ready = self._line(_START_SECONDS) == b"ready\n"
        while True:
            job = self._jobs.get()
            if not job.pid:
                return
            if job.answer is None and (job.pid, job.place) in self._known:
                continue
            try:
                stack = self._stack(job)
            finally:
                if job.answer is not None:
                    job.answer()
            own = [each for each in stack if job.answer is not None or _lies_in(each["file"], job.inside)]
            if own:
                self._keep(job, own[-1])

    def _stack(self, job: _Job) -> list[dict[str, Any]]:
        if not self._ready or (job.thread and not _stops(job.thread)):
            return []
        found = self._ask(job)
        # Somebody else may have let it go on meanwhile: then this is not the line.
        return found if not job.thread or _is_stopped(job.thread) else []

    def _keep(self, job: _Job, line: dict[str, Any]) -> None:
        self._known[job.pid, job.place] = {**line, "quality": "sampled" if job.answer is None else "exact"}
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)

    def _ask(self, job: _Job) -> list[dict[str, Any]]:
        reader = self._reader
        if reader is None or reader.stdin is None:
            return []
        deadline = time.monotonic() + _SECONDS
        while self._late and self._line(_left(deadline)):  # answers that come too late are nobody's
            self._late -= 1
        if self._late:
            return []
        try:
            reader.stdin.write(b"%d %d\n" % (job.pid, job.thread))
            reader.stdin.flush()
            line = self._line(_left(deadline)) if job.answer is not None else self._line_while_nobody_waits()
            self._late += not line
            found: list[dict[str, Any]] = json.loads(line) if line else []
        except (OSError, ValueError):
            self._ready = False
            return []
        return found

    def _line_while_nobody_waits(self) -> bytes:
        deadline = time.monotonic() + _LOOK_SECONDS
        while self._jobs.empty() and time.monotonic() < deadline:
            if line := self._line(_SLICE):
                return line
        return b""

    def _line(self, seconds: float) -> bytes:
        reader = self._reader
        if reader is None or reader.stdout is None:
            return b""
        ready, _, _ = select.select([reader.stdout], [], [], seconds)
        return reader.stdout.readline() if ready else b""


def _stops(thread: int) -> bool:
    """Whether it comes to its stop, for it may not have been there yet when it was told of."""
    deadline = time.monotonic() + _STOP_SECONDS
    while not _is_stopped(thread) and time.monotonic() < deadline:
        time.sleep(_STOP_SLICE)
    return _is_stopped(thread)


def _is_stopped(thread: int) -> bool:
    return proc.state_of(thread) == "T"


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def place_of(target: Mapping[str, Any]) -> str:
    """What an act was on, in one word."""
    host = target.get("address") or target.get("name")
    return str(target.get("path") or target.get("exe") or f"{host}:{target.get('port')}")


def _lies_in(file: str, places: Sequence[str]) -> bool:
    real = os.path.realpath(file)
    return any(real == place or real.startswith(f"{place}/") for place in places)
