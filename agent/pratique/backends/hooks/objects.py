"""Which groups an opened object belongs to: looked up by inode, then by name in a guarded directory.

The answering thread reads this while the main loop adds to it: entries are only ever added, each in one step.
"""

import os
import re
from typing import NamedTuple

from pratique.backends.hooks import fanotify
from pratique.words import Act

Key = tuple[int, int]
"""Device and inode number, as `stat` shows them for the path and for the event's descriptor alike."""


class Claim(NamedTuple):
    """What opening an object means: this act on this group."""

    act: Act
    group: str


Claims = tuple[Claim, ...]


class Directory:
    """A marked directory and what its entries mean."""

    def __init__(self, path: str, key: Key) -> None:
        self.path, self.key = path, key
        self.noticed = True
        """Names made here are told of; False where the file system has no handles."""
        self.names: dict[str, Claims] = {}
        self.globs: list[tuple[re.Pattern[str], Claim]] = []
        self.below: Claims = ()
        """Draws every entry: the directory itself is guarded."""
        self.held: frozenset[str] = frozenset()
        """Names that were there at the start: a pattern of missing names does not mean them."""

    def claims(self, name: str) -> Claims:
        """What opening this entry means."""
        globs = () if name in self.held else tuple(claim for glob, claim in self.globs if glob.match(name))
        return self.names.get(name, ()) + globs + self.below

    def holds(self, name: str, key: Key) -> bool:
        """Whether that entry is this object, now."""
        try:
            status = os.lstat(f"{self.path}/{name}")
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == key


class Index:
    """All guarded objects and directories of one policy."""

    def __init__(self) -> None:
        self.objects: dict[Key, Claims] = {}
        self.born: dict[Key, bytes] = {}
        """Which object of that number is meant: a file system gives the number of a removed one to the next."""
        self.directories: dict[str, Directory] = {}
        self.temporary: dict[str, Claims] = {}
        """Directories in which starting a hidden file draws these claims."""
        self._named: dict[str, list[Directory]] = {}
        self._wide: list[Directory] = []

    def claim(self, key: Key, claims: Claims, born: bytes) -> None:
        """Note that the object itself draws these claims, under whatever name it is opened."""
        before = self.objects.get(key, ()) if self.born.get(key) == born else ()
        self.objects[key] = union(before, claims)
        self.born[key] = born

    def name(self, directory: Directory, name: str, claims: Claims) -> None:
        """Note that whatever is found under this name draws these claims."""
        directory.names[name] = union(directory.names.get(name, ()), claims)
        self._named.setdefault(name, []).append(directory)

    def glob(self, directory: Directory, glob: re.Pattern[str], claim: Claim) -> None:
        """Note that new names of this form draw the claim."""
        directory.globs.append((glob, claim))
        self._wide.append(directory)

    def enclose(self, directory: Directory, claims: Claims) -> None:
        """Note that every entry of the directory draws these claims."""
        directory.below = union(directory.below, claims)
        self._wide.append(directory)

    def find(self, key: Key, path: str, fd: int) -> Claims:
        """What opening the object at `fd` means; `path` is the kernel's, never the caller's string."""
        parent, _, name = path.rpartition("/")
        directory = self.directories.get(parent or "/")
        known = self.objects.get(key, ())
        if known and self.born[key] != fanotify.incarnation(fd):
            known = ()
        return union(known, directory.claims(name)) if directory else known

    def hidden(self, path: str) -> Claims:
        """What starting the file means if it is a hidden one directly in a temporary directory."""
        parent, _, name = path.rpartition("/")
        return self.temporary.get(parent, ()) if name.startswith(".") else ()

    def search(self, key: Key, path: str) -> Claims:
        """The same for an object `find()` does not know: a bind mount in another namespace lies in `path`.

        Its last component is still the entry's own name, so ask the guarded directories for that entry and
        compare inodes.
        """
        parent, _, name = path.rpartition("/")
        directory = self.directories.get(parent or "/")
        if directory and directory.holds(name, key):
            return ()
        for candidate in self._named.get(name, []) + self._wide:
            if candidate.key[0] == key[0] and candidate.holds(name, key):
                return candidate.claims(name)
        return ()


def union(one: Claims, other: Claims) -> Claims:
    """Both, each claim once."""
    return tuple(dict.fromkeys(one + other)) if one and other else one or other
