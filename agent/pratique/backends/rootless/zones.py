"""Landlock rules for "everywhere but in these places", and the question which rule an object lies under.

Landlock knows no deny. So every directory beside a guarded place, and beside each of its ancestors, gets a rule;
the ancestors themselves get none. What is made in an ancestor later lies under no rule either: those are the
grey zones, where the supervisor opens, makes and moves things itself, on the object it has looked at.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import Enum
from typing import NamedTuple

from pratique.backends import syscalls

_WRITE_FILE, _READ_FILE = 1 << 1, 1 << 2
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG, _MAKE_SYM = 1 << 7, 1 << 8, 1 << 12
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_SCOPES = 0b11
_ABI_REFER, _ABI_TRUNCATE, _ABI_SCOPES = 2, 3, 6

READ = _READ_FILE
_CHANGE = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SYM

# Siblings beyond this in one directory stay grey: each rule costs 10 µs, and hostile code may fill a directory.
_MOST_SIBLINGS = 2_000
# Everything below is opened by the supervisor, after it has looked whose process is meant.
_ALWAYS_GREY = "/proc"
_EXECUTABLE = 0o111


class _Kind(Enum):
    DIRECTORY = 1
    PROGRAM = 2
    """To execute it, the kernel asks for the right to read it."""
    FIFO = 3
    """To open it may mean to wait for somebody."""


class Zone(NamedTuple):
    """A directory with a rule: the object it was when the rule was made, and what is free in it."""

    path: str
    key: tuple[int, int]
    read: bool
    write: bool
    is_dir: bool = True

    def stands(self) -> bool:
        """Whether the name still leads to the object that the rule is about."""
        with suppress(OSError):
            status = os.lstat(self.path)
            return (status.st_dev, status.st_ino) == self.key
        return False


class Zones:
    """The free directories of one run; in a run that refuses nothing, everything is free."""

    def __init__(
        self,
        unreadable: Iterable[str],
        unwritable: Iterable[str],
        *,
        free: bool = False,
        bounded: bool = True,
    ) -> None:
        """`bounded`: Landlock holds what is let go on; without it everything is grey, and nothing goes on."""
        self._free = free
        self.bounded = bounded or free
        self._by_path: dict[str, Zone] = {}
        self.grey: frozenset[str] = frozenset()
        """Directories above a guarded place."""
        if not free and bounded:
            self._divide(_real(unreadable), _real(unwritable))

    def of(self, path: str) -> Zone | None:
        """The zone that a resolved path lies in; None for what is grey or guarded."""
        found = self._by_path.get(path)
        while found is None and path not in ("", "/"):
            path = path.rpartition("/")[0]
            found = self._by_path.get(path)
        return found if found is None or found.stands() else None

    def is_free(self, path: str, *, read: bool, write: bool) -> bool:
        """Whether the kernel lets everybody do that there; it may still refuse where this says yes."""
        if self._free:
            return True
        zone = self.of(path)
        return zone is not None and (zone.read or not read) and (zone.write or not write)

    def system(self) -> tuple[str, ...]:
        """Prefixes below which nothing is guarded and the user cannot plant anything."""
        whole = (zone for zone in self._by_path.values() if zone.path.count("/") == 1)
        return tuple(f"{zone.path}/" for zone in whole if zone.read and not os.access(zone.path, os.W_OK))

    def add(self, path: str) -> None:
        """Leave a directory that was just made to everybody."""
        if not self._free and path not in self.grey:
            status = os.lstat(path)
            self._by_path[path] = Zone(path, (status.st_dev, status.st_ino), True, True)

    def ruleset(self) -> int | None:
        """Open the ruleset for this kernel; None where nothing is to be refused."""
        if self._free or not self.bounded:
            return None
        abi = syscalls.landlock_abi()
        change = _CHANGE | (_TRUNCATE if abi >= _ABI_TRUNCATE else 0)
        refer = _REFER if abi >= _ABI_REFER else 0
        scoped = _SCOPES if abi >= _ABI_SCOPES else 0
        ruleset = syscalls.landlock_ruleset(READ | change | refer, scoped)
        for zone in self._by_path.values():
            change_here = change | refer if zone.is_dir else _WRITE_FILE
            rights = (READ if zone.read else 0) | (change_here if zone.write else 0)
            with suppress(OSError):  # gone meanwhile, or a name that may not be opened: it stays grey
                syscalls.landlock_allow(ruleset, zone.path, rights)
        return ruleset

    def _divide(self, unreadable: set[str], unwritable: set[str]) -> None:
        # What nobody may read, nobody may move or link to where it could be read.
        unwritable |= unreadable
        unreadable_above, unwritable_above = _ancestors(unreadable), _ancestors(unwritable)
        self.grey = frozenset(unwritable_above | {"/"})
        for folder in self.grey:
            hidden, held = _at_or_below(folder, unreadable), _at_or_below(folder, unwritable)
            for path, key, kind in _entries(folder):
                read = not hidden and path not in unreadable and path not in unreadable_above
                write = not held and path not in unwritable and path not in unwritable_above
                write = write and kind is not _Kind.PROGRAM
                if (read or write) and path != _ALWAYS_GREY:
                    self._by_path[path] = Zone(path, key, read, write, kind is _Kind.DIRECTORY)


def _real(paths: Iterable[str]) -> set[str]:
    return {os.path.realpath(path) for path in paths}


def _ancestors(paths: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        parent = path.rpartition("/")[0]
        while parent and parent not in found:
            found.add(parent)
            parent = parent.rpartition("/")[0]
    return found


def _at_or_below(path: str, places: set[str]) -> bool:
    while path and path not in places:
        path = path.rpartition("/")[0]
    return bool(path)


def _entries(folder: str) -> Iterator[tuple[str, tuple[int, int], _Kind]]:
    """What gets a rule of its own beside a guarded place."""
    base = folder.rstrip("/")
    with suppress(OSError), os.scandir(folder) as entries:
        for entry, _ in zip(entries, range(_MOST_SIBLINGS), strict=False):
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                kind = _kind(status.st_mode)
                if kind is not None:
                    yield f"{base}/{entry.name}", (status.st_dev, status.st_ino), kind


def _kind(mode: int) -> _Kind | None:
    if stat.S_ISDIR(mode):
        return _Kind.DIRECTORY
    if stat.S_ISFIFO(mode):
        return _Kind.FIFO
    return _Kind.PROGRAM if stat.S_ISREG(mode) and mode & _EXECUTABLE else None
