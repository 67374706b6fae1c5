"""Whether package code may have written a file: by when it was changed last, and who lived then.

The time of the last change cannot be set by anybody without privilege, and the manager's own work goes on while
no package code lives. Who opened which path for writing was a string, and proves nothing.
"""

import os
import time

from pratique.backends.rootless.tasks import Task, Tasks
from pratique.words import Actor

# CLOCK_REALTIME_COARSE: what file times are taken from.
_COARSE = 5
_STEP = 0.0005
_PATIENCE = 0.02
_FOREVER = 1 << 63


class Quiet:
    """The times of a run in which no package code lived, by the clock that file systems stamp with."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._loud: list[list[int]] = []
        """Begin and end of each time in which some did; the last may be open."""

    def note(self) -> None:
        """Look again: called whenever a process was labelled, and whenever one has ended."""
        loud = any(_is_loud(task) for task in map(self._tasks.get, self._tasks.living()))
        is_open = bool(self._loud) and self._loud[-1][1] == _FOREVER
        if loud and not is_open:
            self._loud.append([_next_tick(), _FOREVER])
        elif not loud and is_open:
            self._loud[-1][1] = _now()

    def may_have_written(self, path: str) -> bool:
        """True when it was changed while package code lived, or when nobody can say; what is not there was not."""
        try:
            changed = os.stat(path).st_ctime_ns  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
        return any(begin <= changed <= end for begin, end in self._loud)


def _is_loud(task: Task | None) -> bool:
    if task is None or task.pending or task.started is not None:
        return False
    return task.label.actor in (Actor.PACKAGE, Actor.PROJECT)


def _now() -> int:
    return time.clock_gettime_ns(_COARSE)


def _next_tick() -> int:
    """Wait until the clock goes on, so that what the manager wrote just before counts as before."""
    before, limit = _now(), time.monotonic() + _PATIENCE
    while (now := _now()) == before and time.monotonic() < limit:
        time.sleep(_STEP)
    return now
