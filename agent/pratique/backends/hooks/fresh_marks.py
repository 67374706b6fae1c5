"""Marks on fresh code: each directory, file and folder of byte code of the packages that are followed."""

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator

from pratique.backends.base import FreshTree
from pratique.backends.hooks import fanotify
from pratique.backends.hooks.fresh_index import COMPILED, Index
from pratique.backends.hooks.installs import SITE_OPENS

DIRECTORIES = 50_000
"""Bound of the directories marked at once; what is beyond is a gap."""
_OPENS = fanotify.OPEN_PERM | fanotify.OPEN_EXEC_PERM
_WITHIN = _OPENS | fanotify.ON_CHILD | fanotify.ON_DIR
_LISTINGS = fanotify.OPEN_PERM | fanotify.ON_DIR


class FreshMarks:
    """What is marked, and whose it is. Used from one thread only, but for `_compiled`; a gate reads `index`."""

    def __init__(self, gate: int) -> None:
        """`gate`: the permission group that is asked."""
        self.index = Index(self._compiled)
        self.gaps: deque[str] = deque(maxlen=64)
        """What could not be marked, the latest."""
        self._gate = gate
        self._trees: dict[str, set[FreshTree]] = {}
        self._places: dict[str, set[FreshTree]] = {}

    def __contains__(self, purl: str) -> bool:
        return purl in self._trees

    def follow(self, tree: FreshTree) -> None:
        """Mark a package, also directories that appeared since the last time."""
        self._trees.setdefault(tree.purl, set()).add(tree)
        for place in tree.places:
            self._places.setdefault(place, set()).add(tree)
        self._mark_tree(tree)

    def again(self, purl: str) -> None:
        """Mark what has appeared in a package."""
        for tree in tuple(self._trees.get(purl, ())):
            self._mark_tree(tree)

    def beside(self, tree: FreshTree) -> set[FreshTree]:
        """Other packages that are followed in one of its places."""
        found = {each for place in tree.places for each in self._places.get(place, ())}
        return {each for each in found if each.purl != tree.purl}

    def gone(self, tree: FreshTree) -> None:
        """The package is not there any more; what else lies in its places stays marked."""
        if tree not in self._trees.get(tree.purl, ()):
            return
        self._forget(tree)
        left = {place for each in self._trees.get(tree.purl, ()) for place in each.places}
        places = {*tree.places} - left
        self._drop(tree.purl, lambda path: not places.isdisjoint(_and_above(path)))

    def unfollow(self, purl: str) -> None:
        """The package is fresh no more."""
        for tree in tuple(self._trees.get(purl, ())):
            self._forget(tree)
        self._drop(purl, lambda _path: True)

    def mark(self, path: str, mask: int, kind: Callable[[int], bool] = stat.S_ISDIR) -> os.stat_result | None:
        """Mark a directory (or what `kind` says), never through a link; None when it cannot be."""
        try:
            fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            status = os.fstat(fd)
            if not kind(status.st_mode):
                return None
            fanotify.mark(self._gate, mask, f"/proc/self/fd/{fd}")
            return status
        except OSError as error:
            self.gaps.append(f"{path}: cannot be marked ({error.strerror})")
            return None
        finally:
            os.close(fd)

    def unmark(self, path: str, mask: int) -> None:
        """Take back what nothing else asks for there."""
        if path in self.index.directories:
            mask &= ~_WITHIN
        if path in self.index.folders:
            mask &= ~_LISTINGS
        if path in self.index.sites:
            mask &= ~SITE_OPENS
        try:
            fanotify.unmark(self._gate, mask, path)
        except OSError:
            return  # it is gone, and its mark with it

    def _forget(self, tree: FreshTree) -> None:
        _discard(self._trees, tree.purl, tree)
        for place in tree.places:
            _discard(self._places, place, tree)

    def _mark_tree(self, tree: FreshTree) -> None:
        for top in tree.directories:
            for folder in _below(top):
                self._mark_directory(folder, tree.purl)
        for path in tree.files:
            self._mark_file(path, tree.purl)

    def _mark_directory(self, path: str, purl: str) -> None:
        known = self.index.directories.get(path)
        if known is None and len(self.index.directories) >= DIRECTORIES:
            self.gaps.append(f"{purl}: more than {DIRECTORIES} fresh directories; some are not watched")
        elif self.mark(path, _WITHIN):  # a known one, too: it may have been made anew
            self.index.put(path, (known or frozenset()) | {purl})

    def _mark_file(self, path: str, purl: str) -> None:
        status = self.mark(path, _OPENS, stat.S_ISREG)
        if status is not None:
            self.index.put_file((status.st_dev, status.st_ino), path, purl)
        folder = path.rpartition("/")[0]
        if path.endswith(".py") and self.mark(folder, _LISTINGS):
            module = _module(path)
            self.index.put_module(module, self.index.modules.get(module, frozenset()) | {purl})
            self._compiled(folder)

    def _compiled(self, folder: str) -> None:
        """A second import opens only what the first has compiled. An interpreter lists a folder before it imports.

        By then the first may have ended an instant ago, or not at all: nobody else could mark it in time.
        """
        compiled = f"{folder}/{COMPILED}"
        for purl in self.index.directories.get(folder, ()):
            self._mark_directory(compiled, purl)
        if folder in self.index.folders:
            self.mark(compiled, _OPENS | fanotify.ON_CHILD)

    def _drop(self, purl: str, which: Callable[[str], bool]) -> None:
        """Take the package away from those of its places that `which` chooses."""
        for path, purls in list(self.index.directories.items()):
            if purl in purls and which(path):
                self._let_go(path, purls - {purl})
        for module, purls in list(self.index.modules.items()):
            if purl in purls and which(f"{module}.py"):
                self._let_module_go(module, purls - {purl})
        self.index.drop_files(purl, which)

    def _let_go(self, path: str, left: frozenset[str]) -> None:
        self.index.put(path, left)
        if not left:
            self.unmark(path, _WITHIN)

    def _let_module_go(self, module: str, left: frozenset[str]) -> None:
        self.index.put_module(module, left)
        folder = module.rpartition("/")[0]
        if folder not in self.index.folders:
            self.unmark(folder, _LISTINGS)
            self.unmark(f"{folder}/{COMPILED}", _OPENS | fanotify.ON_CHILD)


def _module(path: str) -> str:
    return path.removesuffix(".py")


def _discard(held: dict[str, set[FreshTree]], key: str, tree: FreshTree) -> None:
    held.get(key, set()).discard(tree)
    if not held.get(key):
        held.pop(key, None)


def _and_above(path: str) -> Iterator[str]:
    """The path and every folder it lies in."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def _below(top: str) -> Iterator[str]:
    """The directory and all below it; no link is followed."""
    for folder, names, _ in os.walk(top):
        names[:] = [name for name in names if name != "node_modules"]  # other packages
        yield folder
