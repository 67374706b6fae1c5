"""Installs under way: whoever would run what one of them wrote waits, from its end until that is marked.

An interpreter lists the folders of Python packages at its start, so it waits there. A runtime of JavaScript lists
nothing: it opens files by their names, in folders that were not there to be marked. So it waits at its own exec.
"""

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from pratique.backends.hooks import fanotify
from pratique.backends.hooks.fresh_index import Index
from pratique.backends.hooks.objects import Key

SITE_OPENS = fanotify.OPEN_PERM | fanotify.ON_CHILD | fanotify.ON_DIR
_LEARNING_SECONDS = 5.0
"""More than a tree of some thousand packages takes to be read; what takes longer is run unmarked."""


class _Install(NamedTuple):
    sites: frozenset[str]
    programs: Mapping[Key, int]
    """Each program, and a descriptor that leads to it as long as it is marked."""


class Installs:
    """Whom they keep waiting, and where. `begin` and `end` from one thread only."""

    def __init__(
        self,
        gate: int,
        index: Index,
        mark: Callable[[str, int], object],
        unmark: Callable[[str, int], None],
    ) -> None:
        """`mark(folder, mask)`: None when it could not be marked; `unmark`: take back what nothing else asks for."""
        self._gate, self._index, self._mark, self._unmark = gate, index, mark, unmark
        self._live: dict[int, _Install] = {}
        self._ended: dict[int, float] = {}

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return bool(self._live)

    def begin(self, first: int, sites: Iterable[str], programs: Iterable[str]) -> None:
        """Process `first` installs into these folders; `programs` may run it."""
        kept = frozenset(site for site in sites if self._mark(site, SITE_OPENS))
        before = self._live.get(first)
        self._live[first] = _Install(kept, dict(self._programs(programs)))
        self._release(before)

    def end(self, first: int) -> None:
        """What it wrote is marked, or never will be."""
        self._ended.pop(first, None)
        self._release(self._live.pop(first, None))

    def is_awaited(self, path: str, key: Key, is_gone: Callable[[int], bool]) -> bool:
        """Whether an install that concerns this object has ended, and is still being learned: for some seconds."""
        now = time.monotonic()
        ended = [
            first for first, each in list(self._live.items()) if _concerns(each, path, key) and is_gone(first)
        ]
        late = [first for first in ended if now - self._ended.setdefault(first, now) < _LEARNING_SECONDS]
        return bool(late)

    def close(self) -> None:
        """Forget all of them; the marks go with their group."""
        for install in self._live.values():
            for fd in install.programs.values():
                os.close(fd)
        self._live.clear()

    def _programs(self, paths: Iterable[str]) -> Iterable[tuple[Key, int]]:
        seen: set[Key] = set()
        for path in paths:
            with contextlib.suppress(OSError):
                fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
                status = os.fstat(fd)
                key = (status.st_dev, status.st_ino)
                if key in seen or not stat.S_ISREG(status.st_mode) or not self._marked(fd):
                    os.close(fd)
                    continue
                seen.add(key)
                yield key, fd

    def _marked(self, fd: int) -> bool:
        try:
            fanotify.mark(self._gate, fanotify.OPEN_EXEC_PERM, f"/proc/self/fd/{fd}")
        except OSError:
            return False
        return True

    def _release(self, install: _Install | None) -> None:
        self._index.sites = frozenset().union(*(each.sites for each in self._live.values()))
        if install is None:
            return
        for site in install.sites - self._index.sites:
            self._unmark(site, SITE_OPENS)
        kept = {*self._index.files, *(key for each in self._live.values() for key in each.programs)}
        for key, fd in install.programs.items():
            if key not in kept:
                self._unmark(f"/proc/self/fd/{fd}", fanotify.OPEN_EXEC_PERM)
            os.close(fd)


def _concerns(install: _Install, path: str, key: Key) -> bool:
    return key in install.programs or path in install.sites or path.rpartition("/")[0] in install.sites
