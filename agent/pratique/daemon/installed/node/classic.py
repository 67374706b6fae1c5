"""What yarn 1 installed: `.yarn-integrity`, which lists what was resolved to which archive, and its cache.

A lock file of the project says where archives come from, and several entries may take one name. So *verified* needs
every entry of the name to be an archive of the registry that is configured for it, and yarn's own note beside the
archive in its cache to say that it was fetched from there.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pratique.backends.base import FreshTree
from pratique.daemon.installed import notes
from pratique.daemon.installed.node.places import Place, Wrote
from pratique.managers.base import Stopped
from pratique.managers.node.environment import digest_of
from pratique.managers.node.memory import arguments_of
from pratique.managers.node.registries import Registries, Tarball
from pratique.managers.yarn import classic
from pratique.managers.yarn.facts import facts
from pratique.managers.yarn.manager import Yarn

_STATE = ".yarn-integrity"
_LARGEST, _MAX_NOTE = 64 << 20, 1 << 20
_PATTERN = re.compile(r"(?P<name>(?:@[^/@]+/)?[^/@]+)@.*", re.DOTALL)
_HASHED = re.compile(r".*-(?P<hash>[0-9a-f]{40})(?:-integrity)?")
_NAMED = re.compile(r"^  name \"?([^\"\n]+)\"?$", re.MULTILINE)


class _Entry(NamedTuple):
    """What an entry was resolved to."""

    archive: Tarball | None
    """None for what is no archive of a configured registry."""
    hash: str


class _Cached(NamedTuple):
    """An archive in yarn's cache."""

    folder: str
    """As it was unpacked there."""
    digest: str | None


def found(wrote: Wrote) -> Iterator[FreshTree]:
    """Every package that yarn noted in this install, and can be told."""
    for top in wrote.tops:
        state = f"{top}/{_STATE}"
        listed = notes.table(notes.text(state, _LARGEST, wrote.install.wrote_from)).get("lockfileEntries")
        root = str(Path(top).parent)
        if isinstance(listed, dict):
            known = _Known(wrote, root, listed)
            for place in wrote.below(root):
                tree = known.tree(place)
                if tree is not None:
                    yield tree._replace(record=state)


class _Known:
    """One project of yarn 1."""

    def __init__(self, wrote: Wrote, root: str, listed: Mapping[str, object]) -> None:
        install = wrote.install
        manager = Stopped(0, install.argv, install.cwd, "", install.environment)
        self._wrote = wrote
        self._registries = Yarn().configured(manager, root)
        self._entries = _by_name(listed, self._registries)
        lock = f"{root}/yarn.lock"
        self._told = not wrote.written(lock)
        self._others = frozenset(_NAMED.findall(notes.text(lock, _LARGEST)))
        """Names that entries take besides the one they are asked for by."""
        arguments = arguments_of(install.argv, facts())
        self._cache = _by_hash(classic.caches(arguments, install.environment, root))
        self._own: dict[str, str] = {}
        """Folder of a package that is told → where it lies unpacked in the cache."""

    def tree(self, place: Place) -> FreshTree | None:
        """The package of a place; those above it were asked about before."""
        entry = self._entry(place)
        if entry is None or entry.archive is None or self._is_bundled(place):
            return None
        cached = self._cached(place, entry.archive, entry.hash)
        if cached is None or cached.digest is None:
            return None
        self._own[place.folder] = cached.folder
        return place.tree(entry.archive.name, entry.archive.version, verified=True, digest=cached.digest)

    def _entry(self, place: Place) -> _Entry | None:
        entries = self._entries.get(place.name, ())
        if not self._told or place.name in self._others or not all(entry.archive for entry in entries):
            return None
        if len(entries) > 1:
            entries = tuple(e for e in entries if e.archive and e.archive.version == place.version)
        return entries[0] if len(entries) == 1 else None

    def _is_bundled(self, place: Place) -> bool:
        """Whether it came along in the archive of the package above it; taken for granted where that is not told."""
        if place.above is None:
            return False
        above = self._own.get(place.above)
        return above is None or Path(above, "node_modules", place.name).exists()

    def _cached(self, place: Place, archive: Tarball, digest: str) -> _Cached | None:
        for folder in self._cache.get(digest, ()):
            unpacked = f"{folder}/node_modules/{place.name}"
            path = f"{unpacked}/.yarn-metadata.json"
            remote = notes.table(notes.text(path, _MAX_NOTE)).get("remote")
            said = remote if isinstance(remote, dict) else {}
            source = self._registries.tarball(str(said.get("resolved")).partition("#")[0])
            if source == archive and not self._wrote.written(path):
                return _Cached(unpacked, digest_of(str(said.get("cacheIntegrity") or said.get("integrity"))))
        return None


def _by_name(listed: Mapping[str, object], registries: Registries) -> Mapping[str, tuple[_Entry, ...]]:
    """Name → what was resolved for it, each once."""
    found: dict[str, dict[_Entry, None]] = {}
    for pattern, resolved in listed.items():
        named = _PATTERN.fullmatch(pattern)
        url, _, digest = resolved.partition("#") if isinstance(resolved, str) else ("", "", "")
        if named:
            found.setdefault(named["name"], {})[_Entry(registries.tarball(url), digest)] = None
    return {name: tuple(entries) for name, entries in found.items()}


def _by_hash(caches: Iterator[Path]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for cache in caches:
        for folder in cache.glob("npm-*"):
            named = _HASHED.fullmatch(folder.name)
            if named:
                found.setdefault(named["hash"], []).append(str(folder))
    return found
