"""Which groups an object belongs to: by the name it has now, or as the object it was when the run began.

What was there at the start, or was missing in a folder that was there, is found by its path. What can only come
to be in a folder that is made in mid-run is found by the pattern that names it.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Literal

from pratique.policy.globs import is_magic, matches
from pratique.policy.lower import FilePlan
from pratique.policy.model import Group, Policy
from pratique.policy.places import Place
from pratique.words import Act, Action, Actor

Use = Literal["read", "write"]
Key = tuple[int, int]
_ACTS: dict[Use, tuple[Act, ...]] = {
    "read": (Act.FILE_READ,),
    "write": (Act.FILE_WRITE, Act.FILE_CREATE),
}


class Guarded:
    """The places of one policy on this host."""

    def __init__(self, plan: FilePlan, patterns: "Patterns") -> None:
        self._patterns = patterns
        self._exact: dict[tuple[Use, str], tuple[str, ...]] = {}
        self._below: dict[tuple[Use, str], tuple[str, ...]] = {}
        self._globs: dict[tuple[Use, str], list[tuple[str, str, bool]]] = {}
        self._objects: dict[Key, tuple[str, ...]] = {}
        self.linked: list[str] = []
        """Secrets that have other names already: Landlock knows objects by where they lie."""
        for place in plan.read:
            self._add("read", place)
            self._note_object(place)
        for place in (*plan.create, *plan.write):
            self._add("write", place)

    def groups(self, use: Use, path: str, key: Key | None) -> tuple[str, ...]:
        """The groups that using the object draws; `path` is resolved."""
        found = self._exact.get((use, path), ())
        if use == "read" and key is not None:
            found += self._objects.get(key, ())
        parent, _, name = path.rpartition("/")
        found += tuple(
            group for glob, group, _ in self._globs.get((use, parent), ()) if fnmatchcase(name, glob)
        )
        return tuple(dict.fromkeys(found + self._inherited(use, path) + self._patterns.groups(use, path)))

    def holds_places(self, folder: str) -> tuple[str, ...]:
        """Groups of the places that lie somewhere below a directory: to move it is to move them."""
        above = f"{folder}/"
        named = (*self._exact.items(), *self._below.items())
        return tuple(
            dict.fromkeys(group for (_, path), groups in named if path.startswith(above) for group in groups)
        )

    def _inherited(self, use: Use, path: str) -> tuple[str, ...]:
        found: tuple[str, ...] = ()
        while path:
            found += self._below.get((use, path), ())
            parent, _, name = path.rpartition("/")
            found += tuple(
                group
                for glob, group, deep in self._globs.get((use, parent), ())
                if deep and fnmatchcase(name, glob)
            )
            path = parent
        return found

    def _add(self, use: Use, place: Place) -> None:
        parent, _, name = place.path.rpartition("/")
        if is_magic(name) and not place.exists:
            self._globs.setdefault((use, parent), []).append((name, place.group, place.deep))
            return
        table = self._below if place.deep or place.is_dir else self._exact
        table[use, place.path] = (*table.get((use, place.path), ()), place.group)

    def _note_object(self, place: Place) -> None:
        if place.is_dir:
            return
        with suppress(OSError):
            status = os.stat(place.path)  # noqa: PTH116  (a start-up path)
            key = (status.st_dev, status.st_ino)
            self._objects[key] = (*self._objects.get(key, ()), place.group)
            if status.st_nlink > 1:
                self.linked.append(place.path)


class Patterns:
    """The patterns of groups below homes and project, by the first name after those."""

    def __init__(self, policy: Policy, homes: Sequence[str], project: str) -> None:
        self._homes, self._project = [os.path.realpath(home) for home in homes], os.path.realpath(project)
        self._by_first: dict[tuple[Use, str], list[tuple[str, str]]] = {}
        self._wild: dict[Use, list[tuple[str, str]]] = {"read": [], "write": []}
        for use, acts in _ACTS.items():
            for group in _ruled(policy, acts):
                for pattern in group.paths:
                    self._add(use, group.name, pattern)

    def groups(self, use: Use, path: str) -> tuple[str, ...]:
        """The groups whose pattern the path fits."""
        firsts = {
            path[len(root) + 1 :].partition("/")[0]
            for root in (*self._homes, self._project)
            if path.startswith(f"{root}/")
        }
        rows = [row for first in firsts for row in self._by_first.get((use, first), ())]
        if firsts:
            rows += self._wild[use]
        return tuple(group for pattern, group in rows if matches(pattern, path, self._homes, self._project))

    def _add(self, use: Use, group: str, pattern: str) -> None:
        root, _, rest = pattern.partition("/")
        first = rest.partition("/")[0]
        if root not in ("~", "."):
            return
        if is_magic(first):
            self._wild[use].append((pattern, group))
        else:
            self._by_first.setdefault((use, first), []).append((pattern, group))


def _ruled(policy: Policy, acts: Sequence[Act]) -> list[Group]:
    """File groups on which package code draws something for one of the acts."""
    rows = (row for rule in policy.rules for row in rule.rows)
    names = {
        row.group
        for row in rows
        if row.act in acts and row.action > Action.ALLOW and Actor.PACKAGE in row.actors
    }
    return [group for group in policy.groups if group.kind == "file" and group.name in names]


def reachable(places: Iterable[Place], *, write: bool) -> list[Place]:
    """Those that the user could use at all: what belongs to others is refused by their owner's permissions."""
    return [place for place in places if _is_reachable(place, write=write)]


def _is_reachable(place: Place, *, write: bool) -> bool:
    parent = place.path.rpartition("/")[0] or "/"
    if not place.exists:
        return os.access(parent, os.W_OK)
    return os.access(place.path, os.W_OK if write else os.R_OK) or os.access(parent, os.W_OK)
