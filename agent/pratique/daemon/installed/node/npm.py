"""What npm installed: its hidden lock file, each entry judged as its manager does while npm still works.

An entry says from where and with which digest; both may come from a lock file that the project brought. So *verified*
needs the registry that is configured for the name, and npm's cache to show that it served exactly this content.
"""

import itertools
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pratique.backends.base import FreshTree
from pratique.daemon.installed import digests, notes
from pratique.daemon.installed.node.places import Place, Wrote
from pratique.managers.node.environment import digest_of
from pratique.managers.node.registries import Registries, Tarball
from pratique.managers.node.tampering import is_archive, packed
from pratique.managers.npm import cache, settings
from pratique.managers.npm.settings import Settings

_LOCK = ".package-lock.json"
_LARGEST, _MAX_MANIFEST = 64 << 20, 1 << 20
_MOST = 50_000


def found(wrote: Wrote) -> Iterator[FreshTree]:
    """Every package that a hidden lock file of this install lists."""
    install = wrote.install
    chosen = settings.read(install.argv, install.environment, install.cwd)
    for top in wrote.tops:
        lock = f"{top}/{_LOCK}"
        entries = _entries(lock, str(Path(top).parent), install.wrote_from)
        for place in wrote.below(str(Path(top).parent)) if entries else ():
            if place.folder in entries:
                yield _tree(place, entries[place.folder], chosen, wrote)._replace(record=lock)
    shared = settings.shared(install.argv, install.environment, install.cwd)
    tops = {os.path.realpath(f"{root}/node_modules") for root in shared}
    for place in wrote.places:
        tree = _compared(place, chosen, wrote) if place.top in tops else None
        if tree is not None:
            yield tree


def _entries(lock: str, root: str, since: float) -> Mapping[str, dict[str, Any]]:
    """Folder → what npm notes of it."""
    packages = notes.table(notes.text(lock, _LARGEST, since)).get("packages")
    listed = itertools.islice(packages.items(), _MOST) if isinstance(packages, dict) else ()
    return {f"{root}/{place}": entry for place, entry in listed if isinstance(entry, dict)}


def _tree(place: Place, entry: dict[str, Any], chosen: Settings, wrote: Wrote) -> FreshTree:
    archive = _proved(place, entry, chosen, wrote)
    digest = digests.of_integrity(entry.get("integrity"))
    if archive:
        return place.tree(archive.name, archive.version, verified=True, digest=digest)
    version = entry.get("version")
    return place.tree(place.name, version if isinstance(version, str) else place.version, digest=digest)


def _proved(place: Place, entry: dict[str, Any], chosen: Settings, wrote: Wrote) -> Tarball | None:
    """The registry's archive that it is."""
    digest = digest_of(str(entry.get("integrity")))
    if digest is None or (place.above and not _is_own_word(place)):
        return None
    for archive in _candidates(place, entry, chosen.registries):
        if cache.served(chosen.cache, archive.url, digest, wrote.written):
            return archive
    return None


def _compared(place: Place, chosen: Settings, wrote: Wrote) -> FreshTree | None:
    """Where npm keeps no lock file, for all users or of an account: what is byte by byte the registry's archive."""
    archive = chosen.registries.conventional(place.name, place.version or "")
    given = cache.given(chosen.cache, archive.url, wrote.written) if archive else []
    digest = next(filter(None, map(digest_of, given)), None)
    if archive is None or digest is None:
        return None
    path = cache.content(chosen.cache, digest)
    if not is_archive(place.folder, partial(packed, path, digest)):
        return None
    return place.tree(archive.name, archive.version, verified=True, digest=digest, record=path)


def _candidates(place: Place, entry: dict[str, Any], registries: Registries) -> Iterator[Tarball]:
    resolved, version = entry.get("resolved"), entry.get("version")
    if resolved is not None:
        named = [registries.tarball(resolved)] if isinstance(resolved, str) else []
    else:  # `omit-lockfile-registry-resolved`
        names = dict.fromkeys(name for name in (entry.get("name"), place.name) if isinstance(name, str))
        named = [registries.conventional(name, str(version)) for name in names]
    yield from filter(None, named)


def _is_own_word(place: Place) -> bool:
    """Npm takes `_resolved` and `_integrity` of a bundled package from its package.json."""
    manifest = notes.table(notes.text(f"{place.folder}/package.json", _MAX_MANIFEST))
    return not {"_resolved", "_integrity"} & manifest.keys()
