"""Fresh code: what an install wrote, marked, so that whoever runs it is labelled before its open returns.

The gate is one of its own: closing it lets openers go on, which is what a first run without a daemon is.
"""

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterable

from pratique.backends.base import FreshOpened, FreshTree
from pratique.backends.hooks.fresh_index import SITE, Earlier, runs_code
from pratique.backends.hooks.fresh_marks import FreshMarks
from pratique.backends.hooks.gate import Gate, path_of
from pratique.backends.hooks.installs import Installs
from pratique.backends.hooks.mirrors import OFF
from pratique.backends.hooks.records import Label
from pratique.words import Act, Actor, Stage

_HOOKS = (".pth", "sitecustomize.py", "usercustomize.py")
"""Run at each start of an interpreter: in an install they would act as the manager, or in another package's name."""

_BEGINS = (Actor.COMMAND, Actor.PROJECT)
"""Whose label goes down when they run fresh code."""
_GRANTING_SECONDS = 1.0


class Fresh:
    """Labels those who run fresh code. `follow`, `again`, `trust` and `marks` from one thread only."""

    def __init__(
        self,
        label_of: Callable[[int], Label | None],
        begin: Callable[[int, int, int | None], int],
        in_scope: Callable[[int], bool],
        wake: Callable[[], None],
    ) -> None:
        """`begin(pid, origin, run)`: label a process as a first run, in that run or a new one; the run.

        `wake`: there is something in `opened`.
        """
        self.exempt: frozenset[int] = frozenset()
        self.readers = 0
        """Opens by programs that only read."""
        self.next_origin: Callable[[], int] = itertools.count(1).__next__
        self._label_of, self._begin, self._in_scope, self._wake = label_of, begin, in_scope, wake
        self._opened: deque[FreshOpened] = deque()
        self._seen: dict[int, set[str]] = {}
        self._ungranted: dict[int, float] = {}
        """Origins of which it is not known yet what their packages may, and since when."""
        self._trusted: frozenset[str] = frozenset()
        self._earlier = Earlier()
        self._gate = Gate(self._judge, lambda _pid: False)  # a defect of ours refuses nobody
        self.marks = FreshMarks(self._gate.fd)
        self._gate.index = self.marks.index  # type: ignore[assignment]
        self._gate.postpone = self._is_being_learned
        self._installs = Installs(self._gate.fd, self.marks.index, self.marks.mark, self.marks.unmark)

    @property
    def gate(self) -> int:
        """The permission group, for who must outlive the agent."""
        return self._gate.fd

    def start(self) -> None:
        """Answer from now on."""
        self._gate.start()

    def stop(self) -> None:
        """Take every mark off; safe to call twice."""
        self._gate.stop()
        self._installs.close()

    def begin_install(self, first: int, sites: Iterable[str], programs: Iterable[str]) -> None:
        """From the end of `first` until `end_install`, let those wait who would run what it wrote.

        They open something right in one of the folders, as an interpreter does before it imports anything, or execute
        one of the programs.
        """
        self._installs.begin(first, sites, programs)

    def end_install(self, first: int) -> None:
        """What the install wrote is marked, or never will be."""
        self._installs.end(first)

    def opened(self) -> list[FreshOpened]:
        """What happened since the last call, oldest first."""
        return [self._opened.popleft() for _ in range(len(self._opened))]

    def follow(self, trees: Iterable[FreshTree]) -> None:
        """Mark these packages, also directories that appeared since the last time."""
        for tree in trees:
            self._trusted -= {tree.purl}
            self.marks.follow(tree)

    def again(self, purls: Iterable[str]) -> None:
        """Mark what has appeared in these packages."""
        for purl in purls:
            self.marks.again(purl)

    def trust(self, purl: str) -> None:
        """The package begins no first run any more. In one that others began it still counts, with what it may."""
        if purl in self.marks:
            self._trusted |= {purl}

    def unfollow(self, purl: str) -> None:
        """The package is fresh no more."""
        self._trusted -= {purl}
        self.marks.unfollow(purl)

    def forget(self, origin: int) -> None:
        """The run of this origin has ended."""
        self._seen.pop(origin, None)
        self._ungranted.pop(origin, None)

    def granted(self, origin: int) -> None:
        """What the packages of the origin may is in force, unless more of them were opened since."""
        if all(opened.origin != origin for opened in tuple(self._opened)):
            self._ungranted.pop(origin, None)

    def is_ungranted(self, pid: int) -> bool:
        """Whether an opener's packages are known but what they may is not yet in force; for a second at most.

        A cloud SDK reads its own credentials right after its import: the main loop may not have been there yet.
        """
        if not self._ungranted:
            return False
        label = self._label_of(pid)
        since = self._ungranted.get(label.origin) if label else None
        return since is not None and time.monotonic() - since < _GRANTING_SECONDS

    def _judge(self, pid: int, act: Act, path: str, purls: tuple[str, ...]) -> bool:
        label = self._label_of(pid)
        purls = tuple(purl for purl in purls if purl != SITE)
        if not purls:
            return True
        is_fresh = not self._trusted.issuperset(purls)
        if label is None or (label.actor in _BEGINS and not label.flags & OFF):
            if is_fresh:
                self._first(pid, label.run if label else None, act, path, purls)
            else:
                self._earlier.note(pid, purls)
            return True
        if is_fresh and label.stage is not Stage.FIRST_RUN and path.endswith(_HOOKS):
            self._tell(FreshOpened("refused", pid, label.run, label.origin, purls, path))
            return False
        if label.stage is Stage.FIRST_RUN and label.actor is Actor.PACKAGE:
            self._join(pid, label, purls, path)
        return True

    def _is_being_learned(self, pid: int, fd: int) -> bool:
        """Whether an install that this opener would run something of has ended and is still being read."""
        if not self._installs.any or not self._may_begin(pid):
            return False
        status = os.fstat(fd)
        key = (status.st_dev, status.st_ino)
        return self._installs.is_awaited(
            path_of(fd, status), key, lambda first: self._label_of(first) is None
        )

    def _may_begin(self, pid: int) -> bool:
        """Whether it would become a first run if it ran fresh code."""
        label = self._label_of(pid)
        return self._in_scope(pid) if label is None else label.actor in _BEGINS and not label.flags & OFF

    def _first(self, pid: int, run: int | None, act: Act, path: str, purls: tuple[str, ...]) -> None:
        if pid in self.exempt or (run is None and not self._in_scope(pid)):
            return
        if act is not Act.EXEC and not runs_code(pid, path):
            self.readers += 1
            return
        origin = self.next_origin()
        run = self._begin(pid, origin, run)
        self._seen[origin] = seen = {*purls, *self._earlier.take(pid)}
        self._tell(FreshOpened("began", pid, run, origin, tuple(sorted(seen)), path))

    def _join(self, pid: int, label: Label, purls: tuple[str, ...], path: str) -> None:
        seen = self._seen.setdefault(label.origin, set())
        if not seen.issuperset(purls):
            seen.update(purls)
            self._tell(FreshOpened("joined", pid, label.run, label.origin, tuple(sorted(seen)), path))

    def _tell(self, opened: FreshOpened) -> None:
        self._opened.append(opened)
        if opened.what != "refused":
            self._ungranted.setdefault(opened.origin, time.monotonic())
        self._wake()
