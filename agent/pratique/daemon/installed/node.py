"""Node packages an install wrote: the hidden lock file of each `node_modules` that changed since it began."""

import itertools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packageurl import PackageURL

from pratique.backends.base import FreshTree
from pratique.daemon.installed import Install

_LARGEST = 64 << 20
_MOST = 20_000
_MODULES = "node_modules/"
_INTEGRITY = re.compile(r"sha(256|384|512)-[A-Za-z0-9+/]{20,100}={0,2}")


def found(install: Install) -> Iterator[FreshTree]:
    """Every package whose folder the install wrote."""
    since = install.wrote_from
    for top in dict.fromkeys(map(os.path.realpath, _tops(install))):
        lock = Path(top) / ".package-lock.json"
        for place, entry in _entries(lock, since):
            tree = _package(Path(top), place, entry, since)
            if tree is not None:
                yield tree._replace(record=str(lock))


def _tops(install: Install) -> Iterator[str]:
    folders = [Path(install.cwd), *Path(install.cwd).parents]
    for word, following in zip(install.argv, (*install.argv[1:], ""), strict=False):
        if word in ("--prefix", "-C") and following:
            folders.append(Path(install.cwd, following))
    yield from (str(folder / "node_modules") for folder in folders)
    home = install.environment.get("HOME")
    if home:
        yield from map(str, Path(home, ".npm/_npx").glob("*/node_modules"))


def _entries(lock: Path, since: float) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if os.fstat(descriptor).st_ctime < since:
                return
            read = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return
    packages = read.get("packages") if isinstance(read, dict) else None
    if isinstance(packages, dict):
        listed = ((place, entry) for place, entry in packages.items() if isinstance(entry, dict))
        yield from itertools.islice(listed, _MOST)


def _package(top: Path, place: str, entry: dict[str, Any], since: float) -> FreshTree | None:
    version = entry.get("version")
    name = place.rpartition(_MODULES)[2]
    if _MODULES not in place or not isinstance(version, str):
        return None
    try:
        folder = os.path.realpath(f"{top.parent}/{place}")
        if not folder.startswith(f"{top}/") or os.stat(folder).st_ctime < since:  # noqa: PTH116
            return None
        scope, _, rest = name.rpartition("/")
        purl = PackageURL("npm", scope or None, rest, version).to_string()
    except (OSError, ValueError):
        return None
    # `name` differs for an alias, and for a tarball that says it is something else.
    from_index = str(entry.get("resolved")).startswith("http") and entry.get("integrity")
    named = bool(from_index and entry.get("name", name) == name)
    return FreshTree(purl, (folder,), (), named, _digest(entry.get("integrity")))


def _digest(integrity: object) -> str | None:
    """The strongest of the digests that npm had to meet; it lists several beside each other."""
    words = integrity.split() if isinstance(integrity, str) else []
    return max((word for word in words if _INTEGRITY.fullmatch(word)), default=None)
