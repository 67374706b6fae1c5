"""What bun's own state proves of a package's code.

bun unpacks into a folder of its cache that bears the name, the version and the host of the registry it was resolved
from, and links or copies from there. *verified*: the code is what such a folder of the configured registry holds,
file by file; no package code of this run wrote any of them; and the lock file, where there was one, names no other
archive.
"""

import os
import re
from collections.abc import Iterator
from functools import partial
from glob import escape
from pathlib import Path
from urllib.parse import urlsplit

from pratique.managers.bun.facts import facts
from pratique.managers.files import opened
from pratique.managers.node.environment import digest_of
from pratique.managers.node.identity import Case, Proof
from pratique.managers.node.memory import Request
from pratique.managers.node.tampering import unchanged

_MOST, _MAX_FILES, _MAX_BYTES = 50, 20_000, 256 << 20


def proof(case: Case) -> Proof:
    """The package a place of bun's is, by the folder of the cache it was taken from."""
    for name, version, folder in _entries(case):
        if unchanged(case.place.folder, 0, partial(_members, folder)):
            return _judged(name, version, folder, case)
    return Proof(doubt="its files are those of nothing that bun took from the registry")


def _judged(name: str, version: str, folder: str, case: Case) -> Proof:
    written = case.context.written_by_package
    places = (
        f"{top}/{file}"
        for root in (case.place.folder, folder)
        for top, _, files in os.walk(root)
        for file in files
    )
    doubt = "package code wrote into it" if any(map(written, places)) else None
    locked = _locked(name, version, case.request)
    digest = digest_of(locked or "")
    return Proof(
        name,
        version,
        digest=digest,
        doubt=doubt or _elsewhere(name, version, locked, case.request),
        why="all its files are those of the folder that bun filled from the registry",
    )


def _elsewhere(name: str, version: str, locked: str | None, request: Request) -> str | None:
    """Whether the lock file, which bun obeys, takes it from another archive."""
    if (Path(request.root) / "bun.lockb").exists():
        return "its binary lock file is not read here"
    said = re.search(r'"(https?://[^"]+)"', locked or "")
    archive = request.registries.tarball(said[1]) if said else None
    same = archive is not None and (archive.name, archive.version) == (name, version)
    return None if said is None or same else "the lock file takes it from another archive"


def _locked(name: str, version: str, request: Request) -> str | None:
    """The row of a package in bun.lock: bun's own writing, one line each."""
    row = rf'^ +"[^"\n]+": \["{re.escape(name)}@{re.escape(version)}", (.*)\],?$'
    rows = re.findall(row, request.lock, re.MULTILINE)
    return " ".join(rows) if rows else None


def _entries(case: Case) -> Iterator[tuple[str, str, str]]:
    """Name, version and folder of what bun keeps of the registry under a name that may be the place's."""
    for name in dict.fromkeys(
        name for name in (case.place.name, case.script.name) if name and ".." not in name
    ):
        scope, _, bare = name.rpartition("/")
        registry = case.request.registries.of(name)
        host = urlsplit(registry).hostname if registry else None
        for path in sorted((_cache(case.request) / scope).glob(f"{escape(bare)}@*"))[:_MOST]:
            found = re.fullmatch(re.escape(bare) + facts().own["entry"], path.name)
            if found and found["host"] == host and not path.is_symlink():
                yield name, found["version"], str(path)


def _cache(request: Request) -> Path:
    said = request.environment
    named = (*request.arguments.all("--cache-dir")[-1:], said.get("BUN_INSTALL_CACHE_DIR"))
    base = said.get("BUN_INSTALL")
    usual = facts().own["cache"].replace("~", request.home, 1)
    return Path(next(place for place in (*named, f"{base}/install/cache" if base else None, usual) if place))


def _members(folder: str) -> Iterator[tuple[str, bytes]]:
    left = _MAX_BYTES
    paths = [f"{top}/{file}" for top, _, files in os.walk(folder) for file in files]
    if len(paths) > _MAX_FILES:
        raise ValueError("more than an honest package holds")
    for path in paths:
        with opened(path) as file:
            data = file.read(left + 1)
        left -= len(data)
        if left < 0:
            raise ValueError("more than an honest package holds")
        yield os.path.relpath(path, folder), data
