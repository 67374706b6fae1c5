"""Where the objects of a file group are on this host, now."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import NamedTuple

from pratique.policy.globs import is_magic, literal_beginning
from pratique.policy.model import Group

# A pattern that fits more names than this in one directory is cut there: hostile code may fill a directory.
_MOST_MATCHES = 256
# Any program may be the first to make one of these: that says nothing of what it will hold.
_SHARED_FOLDERS = frozenset({".config", ".local", ".cache", "share", "state", "lib", "bin", "etc", "cache"})


class Place(NamedTuple):
    """One path a group names here: absolute, its parent resolved, its last component as named."""

    path: str
    group: str
    exists: bool
    is_dir: bool
    deep: bool
    """The pattern ended in `/**`: everything below counts as well."""


class Survey(NamedTuple):
    """The places found, and the directories in which a new entry may bring another place into being."""

    places: list[Place]
    watch: list[str]


def _patterns(group: Group) -> Iterator[str]:
    yield from group.paths
    if group.kind == "file":
        for name in group.names:
            yield f"~/{name}"
            yield f"./{name}"


class Finder:
    """One pass over the file system: every name is looked at, every directory listed at most once.

    Directories are listed only where a pattern needs it, and no file is opened.
    """

    def __init__(self, homes: Sequence[str], project: str | None) -> None:
        self._homes = list(dict.fromkeys(os.path.realpath(home) for home in homes))
        self._project = os.path.realpath(project) if project is not None else None
        self._roots = [*self._homes, *([self._project] if self._project else [])]
        self._resolved = cache(self._directory)
        self._listed = cache(_entries)
        self._seen = cache(_seen)
        self._named = cache(self._look)
        self._found = Survey([], [])

    def survey(self, groups: Iterable[Group]) -> Survey:
        """Expand the groups' patterns; missing places are kept, or the first folder missing on the way to them.

        A wildcard in the last name gives what fits it now, and one missing place that keeps the wildcard: what may
        come.
        """
        named = [self._named(group.name, pattern) for group in groups for pattern in _patterns(group)]
        places = dict.fromkeys(place for found in named for place in found.places)
        return Survey(list(places), list(dict.fromkeys(folder for found in named for folder in found.watch)))

    def places(self, groups: Iterable[Group]) -> list[Place]:
        """The places of a survey alone."""
        return self.survey(groups).places

    def _look(self, group: str, pattern: str) -> Survey:
        """What one pattern names."""
        self._found = Survey([], [])
        deep = pattern.endswith("/**")
        for base, names in self._anchors(pattern.removesuffix("/**")):
            folders = [base]
            for name in names[:-1]:
                folders = [inner for folder in folders for inner in self._inner(folder, name)]
            for folder in folders:
                self._look_in(group, folder, names[-1], deep)
        return self._found

    def _anchors(self, pattern: str) -> Iterator[tuple[str, list[str]]]:
        head, _, rest = pattern.partition("/")
        bases = {"~": self._homes, ".": [self._project] if self._project else [], "": [""]}.get(head, [])
        yield from ((base, rest.split("/")) for base in bases)

    def _inner(self, folder: str, name: str) -> list[str]:
        if not is_magic(name):
            return [f"{folder}/{name}"]
        # A link among the matches is not followed: it could lead anywhere, and was not named.
        return [f"{folder}/{each}" for each, linked in self._matching(folder, name) if not linked]

    def _matching(self, folder: str, pattern: str) -> list[tuple[str, bool]]:
        begin = literal_beginning(pattern)  # most patterns fit nothing: those need not be compiled
        listed = (entry for entry in self._listed(folder or "/") if entry[0].startswith(begin))
        hits = (entry for entry in listed if fnmatchcase(entry[0], pattern))
        return [entry for entry, _ in zip(hits, range(_MOST_MATCHES), strict=False)]

    def _look_in(self, group: str, folder: str, name: str, deep: bool) -> None:
        parent = self._resolved(folder or "/")
        if parent is None:
            self._above(group, folder)
            return
        if not is_magic(name):
            self._add(group, parent, name, deep)
            return
        self._watch_if_ours(parent)
        for each, _ in self._matching(folder, name):
            self._add(group, parent, each, deep)
        self._found.places.append(Place(f"{parent.rstrip('/')}/{name}", group, False, False, deep))

    def _add(self, group: str, parent: str, name: str, deep: bool) -> None:
        path = f"{parent.rstrip('/')}/{name}"
        mode = self._seen(path)
        if mode is None:
            self._watch_if_ours(parent)
        if mode is None or not stat.S_ISLNK(mode):
            self._found.places.append(
                Place(path, group, mode is not None, mode is not None and stat.S_ISDIR(mode), deep)
            )
            return
        self._add_link(group, path, deep)

    def _add_link(self, group: str, path: str, deep: bool) -> None:
        """A link and, unless that is half the system, what it leads to: dotfiles often live elsewhere."""
        target, mode = os.path.realpath(path), _mode(path, os.stat)
        is_dir = mode is not None and stat.S_ISDIR(mode)
        wide = is_dir and self._is_wide(target)
        self._found.places.append(Place(path, group, mode is not None, is_dir, deep and not wide))
        if mode is not None and not wide:
            self._found.places.append(Place(target, group, True, is_dir, deep))

    def _is_wide(self, folder: str) -> bool:
        return folder.count("/") < 2 or any(f"{root}/".startswith(f"{folder}/") for root in self._roots)  # noqa: PLR2004

    def _above(self, group: str, folder: str) -> None:
        """The first folder that is missing on the way stands for the place, unless many programs make it."""
        while folder.count("/") > 1:
            folder, _, name = folder.rpartition("/")
            if (parent := self._resolved(folder)) is not None:
                if self._is_ours(parent) and name not in _SHARED_FOLDERS and not is_magic(name):
                    self._found.places.append(Place(f"{parent}/{name}", group, False, False, True))
                self._watch_if_ours(parent)
                return

    def _directory(self, path: str) -> str | None:
        """The directory that a path leads to; below one that is known, only the last name is looked at."""
        above, _, name = path.rstrip("/").rpartition("/")
        parent = self._resolved(above or "/") if name else "/"
        if parent is None or not name:
            return parent
        place = f"{parent.rstrip('/')}/{name}"
        mode = self._seen(place)
        if mode is not None and stat.S_ISLNK(mode):
            place = os.path.realpath(place)
            mode = _mode(place, os.stat)
        return place if mode is not None and stat.S_ISDIR(mode) else None

    def _watch_if_ours(self, folder: str) -> None:
        if self._is_ours(folder):
            self._found.watch.append(folder)

    def _is_ours(self, folder: str) -> bool:
        return any(f"{folder}/".startswith(f"{root}/") for root in self._roots)


def _entries(folder: str) -> list[tuple[str, bool]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((entry.name, entry.is_symlink()) for entry in entries)
    except OSError:
        return []


def _seen(path: str) -> int | None:
    return _mode(path, os.lstat)


def _mode(path: str, look: Callable[[str], os.stat_result]) -> int | None:
    try:
        return look(path).st_mode
    except (OSError, ValueError):
        return None
