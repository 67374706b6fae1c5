"""Folders in npm's trees: which package's place a folder is, and what the lock of its tree says of it."""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pratique.managers.files import text

_MAX_LOCK = 64 << 20
_PLACE = re.compile(r"(?:[^/]+/)*?node_modules/(?:.*/node_modules/)?(?P<name>(?:@[^/]+/)?[^/@.][^/]*)")


@dataclass(frozen=True, slots=True)
class Place:
    """A package's folder in a tree."""

    root: str
    """The folder that holds the tree's `node_modules`, as it really is."""
    location: str
    """Relative to it, as lock files spell it."""
    name: str
    """The name under which it was asked for: the folder's own."""

    @property
    def folder(self) -> str:
        """Where it is."""
        return f"{self.root}/{self.location}"

    @property
    def above(self) -> str | None:
        """Name of the package in whose own `node_modules` it lies, if any."""
        found = _PLACE.fullmatch(self.location[: -len(self.name) - len("/node_modules/")])
        return found["name"] if found else None


def place_of(folder: str, trees: Sequence[str]) -> Place | None:
    """The place a real path is; None for anything that is no package's own folder."""
    for root in sorted((os.path.realpath(tree) for tree in trees), key=len, reverse=True):
        found = _PLACE.fullmatch(folder[len(root) + 1 :]) if folder.startswith(f"{root}/") else None
        if found:
            return Place(root, found[0], found["name"])
    return None


def package_of(file: str, trees: Sequence[str]) -> Place | None:
    """The package a real file belongs to: the nearest place above it."""
    folder = file
    while "/node_modules/" in folder:
        folder = folder.rpartition("/")[0]
        if place := place_of(folder, trees):
            return place
    return None


def same_folder(named: str, real: str, trees: Sequence[str]) -> bool:
    """Whether what npm calls the folder is it, with no link below the tree's root in between."""
    for root in trees:
        if named.startswith(f"{root}/"):
            return os.path.realpath(root) + named[len(root) :] == real
    return False


def expanded(patterns: Sequence[str], said: Mapping[str, str]) -> tuple[str, ...]:
    """Globs of data files, for the user whose environment it is."""
    home, temporary = said.get("HOME", ""), said.get("TMPDIR") or "/tmp"  # noqa: S108 -- their default, not ours
    found = (place.replace("~", home, 1).replace("$TMPDIR", temporary, 1) for place in patterns)
    return tuple(place for place in found if place.startswith("/"))


def locked(place: Place, written: Callable[[str], bool]) -> dict[str, Any]:
    """What npm's hidden lock file notes of a place installed before; empty if package code wrote that file."""
    path = f"{place.root}/node_modules/.package-lock.json"
    if written(path):
        return {}
    try:
        entry = json.loads(text(path, _MAX_LOCK) or "{}")["packages"][place.location]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}
