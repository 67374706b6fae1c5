"""Places in the tables that the kernel climbs by: inodes, names in directories, patterns of names."""

import ctypes
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from pratique.backends.hooks.mirrors import CInodeKey
from pratique.backends.hooks.records import InodeKey
from pratique.backends.libbpf.maps import Map
from pratique.backends.lsm.mirrors import (
    GLOB_KEPT,
    GLOBS_MAX,
    NAME_KEPT,
    Below,
    CGlob,
    CGlobKey,
    CNameKey,
    CObject,
)
from pratique.policy.globs import is_magic
from pratique.policy.lower import FilePlan
from pratique.policy.places import Place

_NONE = Below(0)
_LINKED_FILES = 8192
"""Files below deep places that are looked at for a second name outside."""

Keys = Callable[[Sequence[str]], list[InodeKey | None]]
"""Kernel keys of paths."""


@dataclass(slots=True)
class Meaning:
    """The groups of one object, by use; an empty name is none. The first one said stays."""

    read: str = ""
    write: str = ""
    exec: str = ""
    ipc: str = ""
    above: str = ""
    flags: Below = _NONE

    def add(self, other: "Meaning") -> None:
        """Take in what another place says of the same object."""
        for use in ("read", "write", "exec", "ipc", "above"):
            setattr(self, use, getattr(self, use) or getattr(other, use))
        self.flags |= other.flags


@dataclass(slots=True)
class Entries:
    """What is to stand in the tables, by path."""

    objects: dict[str, Meaning] = field(default_factory=lambda: defaultdict(Meaning))
    names: dict[tuple[str, str], Meaning] = field(default_factory=lambda: defaultdict(Meaning))
    globs: dict[tuple[str, str], Meaning] = field(default_factory=lambda: defaultdict(Meaning))
    gaps: list[str] = field(default_factory=list)


class Objects:
    """The tables of one loaded object, changed without a moment in which a place is in neither plan."""

    def __init__(self, table: Callable[[str], Map], keys: Keys, number: Callable[[str], int]) -> None:
        self._maps = {name: table(name) for name in ("objects", "names", "globs")}
        self._keys, self._number = keys, number
        # What an earlier agent left in force goes with the first `drop`.
        self._held = {name: dict.fromkeys(held, b"") for name, held in self._maps.items()}

    def add(self, entries: Entries) -> dict[str, dict[bytes, bytes]]:
        """Write what is new beside what is there; give the result to `drop` once the plan is in force."""
        wanted = self._packed(entries)
        for name, found in wanted.items():
            for key, value in found.items():
                self._maps[name].update(key, value)
        return wanted

    def drop(self, wanted: dict[str, dict[bytes, bytes]]) -> None:
        """Remove what only an earlier plan had."""
        for name, found in wanted.items():
            for gone in self._held[name].keys() - found.keys():
                self._maps[name].delete(gone)
        self._held = wanted

    def _packed(self, entries: Entries) -> dict[str, dict[bytes, bytes]]:
        folders = {folder for folder, _ in (*entries.names, *entries.globs)}
        paths = list(dict.fromkeys((*entries.objects, *folders)))
        known = dict(zip(paths, self._keys(paths), strict=True))
        objects: dict[InodeKey, Meaning] = defaultdict(Meaning)
        for path, meaning in entries.objects.items():
            if (key := known[path]) is not None:
                objects[key].add(meaning)
        for flag, listed in ((Below.NAMES, entries.names), (Below.GLOBS, entries.globs)):
            for folder, _ in listed:
                if (key := known[folder]) is not None:
                    objects[key].flags |= flag
        return {
            "objects": {bytes(key): bytes(self._object(meaning)) for key, meaning in objects.items()},
            "names": dict(self._names(entries, known)),
            "globs": dict(self._globs(entries, known)),
        }

    def _names(self, entries: Entries, known: dict[str, InodeKey | None]) -> Iterator[tuple[bytes, bytes]]:
        for (folder, name), meaning in entries.names.items():
            key, raw = known[folder], os.fsencode(name)
            if key is not None and len(raw) < NAME_KEPT:
                yield bytes(CNameKey(_mirror(key), raw)), bytes(self._object(meaning))

    def _globs(self, entries: Entries, known: dict[str, InodeKey | None]) -> Iterator[tuple[bytes, bytes]]:
        counted: dict[InodeKey, int] = defaultdict(int)
        for (folder, pattern), meaning in entries.globs.items():
            key = known[folder]
            if key is None or counted[key] == GLOBS_MAX:
                continue
            prefix, _, suffix = os.fsencode(pattern).partition(b"*")
            glob = CGlob(self._object(meaning), len(prefix), len(suffix))
            for end, text in (("prefix", prefix), ("suffix", suffix)):
                ctypes.memmove(getattr(glob, end), text, len(text))
                ctypes.memset(getattr(glob, f"{end}_mask"), 0xFF, len(text))
            yield bytes(CGlobKey(_mirror(key), counted[key])), bytes(glob)
            counted[key] += 1

    def _object(self, meaning: Meaning) -> CObject:
        uses = (meaning.read, meaning.write, meaning.exec, meaning.ipc, meaning.above)
        return CObject(*map(self._number, uses), meaning.flags)


def entries(files: FilePlan, homes: Sequence[str]) -> Entries:
    """Everything that the plan's places say of objects on this host."""
    found = Entries()
    for place in files.read:
        _put(found, place, Meaning(read=place.group, flags=Below.READ if place.deep else _NONE))
    for place in files.unmade:
        # A deep one may be a folder on the way, in which most is harmless: looked at when it is there.
        if not place.deep:
            _put(found, place, Meaning(read=place.group))
    for place in (*files.write, *files.create):
        _put(found, place, Meaning(write=place.group, flags=Below.WRITE if place.deep else _NONE))
    for place in files.ipc:
        _put_sockets(found, place)
    for place in files.exec:
        found.objects[place.path].add(Meaning(exec=place.group))
    for place in (*files.write, *files.create):
        for folder in _hidden_above(place.path, homes):
            found.objects[folder].add(Meaning(above=place.group))
    _put_linked(found, (*files.read, *files.write))
    return found


def _put(found: Entries, place: Place, meaning: Meaning) -> None:
    """By inode, if it is there, and by name: what replaces it is meant as well."""
    folder, name = os.path.split(place.path)
    if place.exists:
        found.objects[place.path].add(meaning)
    if not is_magic(name):
        found.names[folder or "/", name].add(meaning)
    elif (
        name.count("*") == 1 and not set(name) & set("?[") and len(max(name.split("*"), key=len)) <= GLOB_KEPT
    ):
        found.globs[folder or "/", name].add(meaning)
    else:
        found.gaps.append(f"{place.path}: files of such names are not guarded when they are new")


def _put_sockets(found: Entries, place: Place) -> None:
    meaning = Meaning(ipc=place.group)
    _put(found, place, meaning)
    if place.is_dir:
        found.globs[place.path, "*"].add(meaning)


def _hidden_above(path: str, homes: Sequence[str]) -> Iterator[str]:
    """Hidden directories of a home above a place: renamed away, they would take it along."""
    hidden = tuple(f"{os.path.realpath(home)}/." for home in homes)
    yield from (str(parent) for parent in PurePath(path).parents if str(parent).startswith(hidden))


def _put_linked(found: Entries, places: Iterable[Place]) -> None:
    """A file below a deep place that has a second name is known by its inode, too: the other name may be outside."""
    left = _LINKED_FILES
    for place in places:
        if not (place.deep and place.is_dir):
            continue
        meaning = found.objects[place.path]
        for folder, _, files in os.walk(place.path):
            left -= len(files)
            if left < 0:
                found.gaps.append(f"{place.path}: too many files to look for hard links made before")
                return
            for path in (f"{folder}/{name}" for name in files):
                if os.lstat(path).st_nlink > 1:
                    found.objects[path].add(Meaning(read=meaning.read, write=meaning.write))


def _mirror(key: InodeKey) -> CInodeKey:
    return CInodeKey(key.inode, key.device, key.generation)
