"""What yarn 4 installed: folders by `node_modules/.yarn-state.yml`; archives, which node opens, by `.pnp.cjs`.

Both say what each was resolved to. yarn names an archive by a hash of that, and `npm:VERSION` of a name is what the
registry configured for it serves. *verified* needs such an archive among those that yarn fetched for all projects:
one that lies in the project alone came with the project, unless this install wrote it.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from pratique.backends.base import FreshTree
from pratique.daemon.installed import notes
from pratique.daemon.installed.node.places import Wrote
from pratique.managers.base import Stopped
from pratique.managers.node.purls import purl
from pratique.managers.node.registries import Registries
from pratique.managers.yarn import berry
from pratique.managers.yarn.manager import Yarn

_LARGEST = 64 << 20
_MOST = 50_000
_LOCATOR = re.compile(r"(?P<name>(?:@[^/@]+/)?[^/@]+)@(?P<reference>.+)")
_REGISTRY_S = re.compile(
    r"npm:(?P<version>\d+\.\d+\.\d+(?:[-+][\w.+-]+)?)(?:::__archiveUrl=(?P<url>[^&#]+))?"
)
_VIRTUAL = re.compile(r"virtual:[0-9a-f]+#")
_KEY = re.compile(r"\"?(?P<key>[^\s\"][^\"]*)\"?:")
_LOCATION = re.compile(r"    - \"?(?P<place>[^\"]+)\"?")
_ZIP = re.compile(r"(?P<zip>.+/(?P<key>[^/]+-[0-9a-f]{10})-[^/]+\.zip)/node_modules/.+")
_STORED = re.compile(r"(?P<key>[^/]+?-npm-(?P<version>\d[^/]*)-[0-9a-f]{10})/package")
_STATE = re.compile(r"RAW_RUNTIME_STATE =\s*'((?:[^'\\]++|\\.)*+)'", re.DOTALL)


def found(wrote: Wrote) -> Iterator[FreshTree]:
    """Folders of both kinds, and archives."""
    for top in wrote.tops:
        yield from _folders(f"{top}/.yarn-state.yml", str(Path(top).parent), wrote)
        yield from _stored(f"{top}/.store", str(Path(top).parent), wrote)
    for root in dict.fromkeys((wrote.install.cwd, *map(str, Path(wrote.install.cwd).parents))):
        yield from _packed(os.path.realpath(root), wrote)


def _folders(state: str, root: str, wrote: Wrote) -> Iterator[FreshTree]:
    located = dict(_located(notes.text(state, _LARGEST, wrote.install.wrote_from), root))
    known = _Known(root, wrote) if located else None
    for place in wrote.below(root) if known else ():
        name, reference = located.get(place.folder, ("", ""))
        version = known.version(name, reference) if known else None
        if version:
            yield place.tree(name, version, verified=True, record=state)


def _stored(store: str, root: str, wrote: Wrote) -> Iterator[FreshTree]:
    """A store in the tree, where a folder is called as an archive is: by what it was resolved to."""
    places = [(place, _STORED.fullmatch(place.folder[len(store) + 1 :])) for place in wrote.below(store)]
    known = _Known(root, wrote) if any(found for _, found in places) else None
    for place, found in places:
        reference = f"npm:{found['version']}" if found else ""
        if known and found and known.key(place.name, reference) == found["key"]:
            version = known.version(place.name, reference)
            if version:
                yield place.tree(place.name, version, verified=True, record=f"{place.folder}/package.json")


def _located(state: str, root: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Folder → name and what it was resolved to. yarn's own writing, always in this shape."""
    locator = None
    for line in state.splitlines():
        if line and line[0] not in " #":
            key = _KEY.fullmatch(line)
            locator = _LOCATOR.fullmatch(key["key"]) if key else None
        elif locator and (at := _LOCATION.fullmatch(line)):
            yield f"{root}/{at['place']}", (locator["name"], locator["reference"])


def _packed(root: str, wrote: Wrote) -> Iterator[FreshTree]:
    """What is run without `node_modules`: archives, and folders of those that cannot stay packed."""
    record = f"{root}/.pnp.cjs"
    rows = list(_registry(root, record))
    known = _Known(root, wrote) if rows else None
    unplugged = {place.folder: place for place in wrote.below(f"{root}/.yarn/unplugged")}
    for name, reference, location in rows if known else ():
        path = os.path.normpath(f"{root}/{location}")
        version = known.version(name, reference) if known else None
        if version and path in unplugged:
            yield unplugged[path].tree(name, version, verified=True, record=record)
        archive = _ZIP.fullmatch(path)
        if archive and known and known.wrote(archive["zip"]):
            mine = version if archive["key"] == known.key(name, reference) else None
            called = purl(name, version or _said(reference))
            yield FreshTree(called, (), (archive["zip"],), bool(mine), None, record)


def _registry(root: str, record: str) -> Iterator[tuple[str, str, str]]:
    """Name, what it was resolved to, and place of each package that the loader knows."""
    content = notes.text(record, _LARGEST)
    held = _STATE.search(content)
    state = re.sub(r"\\(.)", lambda each: each[1].strip("\n"), held[1], flags=re.DOTALL) if held else ""
    rows = notes.table(state or notes.text(f"{root}/.pnp.data.json", _LARGEST)).get("packageRegistryData")
    for name, versions in _pairs(rows):
        for reference, said in _pairs(versions):
            location = said.get("packageLocation") if isinstance(said, dict) else None
            if isinstance(name, str) and isinstance(reference, str) and isinstance(location, str):
                yield name, reference, location


def _pairs(rows: object) -> list[tuple[object, object]]:
    listed = rows[:_MOST] if isinstance(rows, list) else []
    return [(row[0], row[1]) for row in listed if isinstance(row, list) and len(row) == len(("name", "said"))]


def _said(reference: str) -> str | None:
    found = _REGISTRY_S.match(_VIRTUAL.sub("", reference))
    return found["version"] if found else None


class _Known:
    """One project of yarn 4, and the archives that there are."""

    def __init__(self, root: str, wrote: Wrote) -> None:
        install = wrote.install
        manager = Stopped(0, install.argv, install.cwd, "", install.environment)
        self._registries: Registries = Yarn().registries(manager, root, {})
        self._since, self._written = install.wrote_from, wrote.written
        shared = berry.cache(install.environment)
        self._places = (str(shared), f"{root}/.yarn/cache")
        self._shared, self._own = _archives(self._places[0]), _archives(self._places[1])

    def version(self, name: str, reference: str) -> str | None:
        """The version that the registry of this name served; None for anything else."""
        plain = _VIRTUAL.sub("", reference, count=1)
        found = _REGISTRY_S.fullmatch(plain)
        if found is None:
            return None
        if found["url"]:
            archive = self._registries.tarball(unquote(found["url"]))
            if archive is None or (archive.name, archive.version) != (name, found["version"]):
                return None
        return found["version"] if self._fetched(self.key(name, plain)) else None

    def key(self, name: str, reference: str) -> str:
        """How yarn begins the name of the archive."""
        plain = _VIRTUAL.sub("", reference, count=1)
        return f"{name.replace('/', '-')}-npm-{_said(plain)}-{berry.locator(name, plain)}"

    def wrote(self, archive: str) -> bool:
        """Whether this install wrote an archive, in a place where yarn keeps them."""
        folder, _, name = archive.rpartition("/")
        return folder in self._places and bool(name) and self._is_new(archive)

    def _fetched(self, key: str) -> bool:
        """Whether yarn fetched it on this host: an archive of the project's own is one of those, or is new."""
        shared = [path for path in self._shared.get(key, ()) if not self._written(path)]
        own = self._own.get(key, [])
        if not own:
            return bool(shared)
        return all(self._is_new(path) or any(berry.same(path, each) for each in shared) for path in own)

    def _is_new(self, path: str) -> bool:
        return os.path.isfile(path) and notes.changed(path, self._since) and not self._written(path)  # noqa: PTH113


def _archives(folder: str) -> Mapping[str, list[str]]:
    """How their names begin → archives in a folder."""
    found: dict[str, list[str]] = {}
    try:
        names = os.listdir(folder)  # noqa: PTH208 (no Path per archive)
    except OSError:
        return found
    for name in names:
        key, _, rest = name.rpartition("-")
        if key and rest.endswith(".zip"):
            found.setdefault(key, []).append(f"{folder}/{name}")
    return found
