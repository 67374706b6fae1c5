"""Fresh code: what an install wrote, marked, so that whoever runs it is labelled before its open returns.

The gate is one of its own: closing it lets openers go on, which is what a first run without a daemon is.
"""

import itertools
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from pratique.backends.base import FreshOpened, FreshTree
from pratique.backends.hooks import fanotify
from pratique.backends.hooks.fresh_index import COMPILED, SITE, Earlier, Index, runs_code
from pratique.backends.hooks.gate import Gate, path_of
from pratique.backends.hooks.installs import SITE_OPENS, Installs
from pratique.backends.hooks.mirrors import OFF
from pratique.backends.hooks.records import Label
from pratique.words import Act, Actor, Stage

DIRECTORIES = 50_000
"""Bound of the directories marked at once; what is beyond is a gap."""
_OPENS = fanotify.OPEN_PERM | fanotify.OPEN_EXEC_PERM
_WITHIN = _OPENS | fanotify.ON_CHILD | fanotify.ON_DIR
_LISTINGS = fanotify.OPEN_PERM | fanotify.ON_DIR
_HOOKS = (".pth", "sitecustomize.py", "usercustomize.py")
"""Run at each start of an interpreter: in an install they would act as the manager, or in another package's name."""

_BEGINS = (Actor.COMMAND, Actor.PROJECT)
"""Whose label goes down when they run fresh code."""
_GRANTING_SECONDS = 1.0


class Fresh:
    """Marks fresh code and labels those who run it. `follow` and `unfollow` from one thread only."""

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
        self.gaps: list[str] = []
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
        self._index = Index(self._mark_compiled)
        self._gate = Gate(self._judge, lambda _pid: False)  # a defect of ours refuses nobody
        self._gate.index = self._index  # type: ignore[assignment]
        self._gate.postpone = self._is_being_learned
        self._marked: dict[str, set[FreshTree]] = {}
        self._installs = Installs(self._gate.fd, self._index, self._mark_folder, self._unmark)

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
            self._marked.setdefault(tree.purl, set()).add(tree)
            self._mark_tree(tree)

    def again(self, purls: Iterable[str]) -> None:
        """Mark what has appeared in these packages."""
        for tree in [tree for purl in purls for tree in tuple(self._marked.get(purl, ()))]:
            self._mark_tree(tree)

    def trust(self, purl: str) -> None:
        """The package begins no first run any more. In one that others began it still counts, with what it may."""
        if purl in self._marked:
            self._trusted |= {purl}

    def unfollow(self, purl: str) -> None:
        """The package is fresh no more."""
        self._marked.pop(purl, None)
        self._trusted -= {purl}
        for path, purls in list(self._index.directories.items()):
            if purl in purls:
                self._let_go(path, purls - {purl})
        for key, purls in list(self._index.files.items()):
            if purl in purls:
                self._index.files[key] = purls - {purl}
        for module, purls in list(self._index.modules.items()):
            if purl in purls:
                self._let_module_go(module, purls - {purl})

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

    def _mark_tree(self, tree: FreshTree) -> None:
        for top in tree.directories:
            for folder in _below(top):
                self._mark_directory(folder, tree.purl)
        for path in tree.files:
            self._mark_file(path, tree.purl)

    def _mark_directory(self, path: str, purl: str) -> None:
        known = self._index.directories.get(path)
        if known is None and len(self._index.directories) >= DIRECTORIES:
            self.gaps.append(f"{purl}: more than {DIRECTORIES} fresh directories; some are not watched")
        elif self._mark(path, _WITHIN, stat.S_ISDIR):  # a known one, too: it may have been made anew
            self._index.put(path, (known or frozenset()) | {purl})

    def _mark_file(self, path: str, purl: str) -> None:
        status = self._mark(path, _OPENS, stat.S_ISREG)
        if status is not None:
            key = (status.st_dev, status.st_ino)
            self._index.files[key] = self._index.files.get(key, frozenset()) | {purl}
        folder, _, name = path.rpartition("/")
        if name.endswith(".py") and self._mark(folder, _LISTINGS, stat.S_ISDIR):
            module = path.removesuffix(".py")
            self._index.put_module(module, self._index.modules.get(module, frozenset()) | {purl})
            self._mark_compiled(folder)

    def _mark_compiled(self, folder: str) -> None:
        """A second import opens only what the first has compiled. An interpreter lists a folder before it imports.

        By then the first may have ended an instant ago, or not at all: nobody else could mark it in time.
        """
        compiled = f"{folder}/{COMPILED}"
        for purl in self._index.directories.get(folder, ()):
            self._mark_directory(compiled, purl)
        if folder in self._index.folders:
            self._mark(compiled, _OPENS | fanotify.ON_CHILD, stat.S_ISDIR)

    def _mark_folder(self, path: str, mask: int) -> bool:
        return self._mark(path, mask, stat.S_ISDIR) is not None

    def _mark(self, path: str, mask: int, kind: Callable[[int], bool]) -> os.stat_result | None:
        try:
            fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            status = os.fstat(fd)
            if not kind(status.st_mode):
                return None
            fanotify.mark(self._gate.fd, mask, f"/proc/self/fd/{fd}")
            return status
        except OSError as error:
            self.gaps.append(f"{path}: cannot be marked ({error.strerror})")
            return None
        finally:
            os.close(fd)

    def _let_go(self, path: str, left: frozenset[str]) -> None:
        self._index.put(path, left)
        if not left:
            self._unmark(path, _WITHIN)

    def _let_module_go(self, module: str, left: frozenset[str]) -> None:
        self._index.put_module(module, left)
        folder = module.rpartition("/")[0]
        if folder not in self._index.folders:
            self._unmark(folder, _LISTINGS)
            self._unmark(f"{folder}/{COMPILED}", _OPENS | fanotify.ON_CHILD)

    def _unmark(self, path: str, mask: int) -> None:
        """Take back what nothing else asks for there."""
        if path in self._index.directories:
            mask &= ~_WITHIN
        if path in self._index.folders:
            mask &= ~_LISTINGS
        if path in self._index.sites:
            mask &= ~SITE_OPENS
        try:
            fanotify.unmark(self._gate.fd, mask, path)
        except OSError:
            return  # it is gone, and its mark with it


def _below(top: str) -> Iterator[str]:
    """The directory and all below it; no link is followed."""
    for folder, names, _ in os.walk(top):
        names[:] = [name for name in names if name != "node_modules"]  # other packages
        yield folder
