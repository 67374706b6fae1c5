"""What poetry's own state proves of a source it builds.

poetry keeps what a source said of each version, in a file named by the hash of name and version; each archive in a
folder named by the hash of its URL and digest. It unpacks into a temporary directory under a name that the archive
chose: that is only the hint where to look. *verified*: all files there are those of the kept archive of the digest
that the source (or, without its word, the lock file) gives for the name and version.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from glob import escape
from pathlib import Path
from typing import Any, NamedTuple

from pratique.managers.base import Context
from pratique.managers.files import text
from pratique.managers.node.tampering import unchanged
from pratique.managers.pip import tracker
from pratique.managers.pip.names import archive_name, archive_version, public, purl
from pratique.managers.poetry.facts import facts
from pratique.managers.python.archives import unpacked
from pratique.managers.python.family import Request
from pratique.model import Identity
from pratique.words import Quality

_MAX_NOTE, _MAX_LOCK = 16 << 20, 64 << 20
_ENDS = (".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tar.xz")


class Listed(NamedTuple):
    """One source archive of a version, as a source or the lock file lists it."""

    file: str
    digest: str
    url: str | None


def examine(root: str, context: Context, request: Request) -> tuple[Identity, str]:
    """The package whose archive was unpacked into a directory of poetry's."""
    name, version = _hint(Path(root).name)
    if name is None or version is None or not tracker.private(str(Path(root).parent)):
        return Identity(), "its directory does not bear a name and a version"
    claimed = Identity(Quality.CLAIMED, purl(name, version), direct=name in request.names)
    for listed in _listed(name, version, context, request):
        for archive in _kept(listed, request):
            same = not context.written_by_package(archive)
            if same and unchanged(root, 0, partial(unpacked, archive, listed.digest)):
                source = public(listed.url) if listed.url else None
                found = claimed._replace(
                    quality=Quality.VERIFIED, source=source, digest=f"sha256-{listed.digest}"
                )
                return found, "its files are those of the archive that the source lists"
    return claimed, "poetry keeps no archive of that name with these files"


def _hint(folder: str) -> tuple[str | None, str | None]:
    name = archive_name(f"{folder}.tar.gz")
    return name, archive_version(f"{folder}.tar.gz", name or "")


def _listed(name: str, version: str, context: Context, request: Request) -> Iterator[Listed]:
    for path in _notes(name, version, request):
        if not context.written_by_package(str(path)):
            yield from _rows(_note(str(path), name, version), name, version)
    lock = f"{request.root}/poetry.lock"
    if not context.written_by_package(lock):
        yield from _locked(text(lock, _MAX_LOCK), name, version)


def _notes(name: str, version: str, request: Request) -> list[Path]:
    """What each source of the project said of the version."""
    key = hashlib.sha256(f"{name}:{version}".encode()).hexdigest()
    parts = [key[index : index + 2] for index in range(0, 16, 2)]
    base = _cache(request) / "cache" / "repositories"
    return [Path(base, source, *parts, key) for source in (*_sources(request.root), facts().own["usual"])]


def _note(path: str, name: str, version: str) -> Mapping[str, Any]:
    """Poetry's note: ten digits of a time, then JSON."""
    try:
        held = json.loads(text(path, _MAX_NOTE)[10:])
    except (ValueError, RecursionError):
        return {}
    fits = isinstance(held, dict) and (held.get("name"), held.get("version")) == (name, version)
    return held if fits else {}


def _rows(note: Mapping[str, Any], name: str, version: str) -> Iterator[Listed]:
    files = note.get("files")
    for row in files if isinstance(files, list) else ():
        if isinstance(row, dict):
            yield from _source(row.get("file"), row.get("hash"), row.get("url"), name, version)


def _source(file: object, digest: object, url: object, name: str, version: str) -> Iterator[Listed]:
    if isinstance(file, str) and isinstance(digest, str) and file.endswith(_ENDS) and "/" not in file:
        hexadecimal = re.fullmatch(r"sha256:([0-9a-f]{64})", digest)
        if hexadecimal and archive_version(file, name) == version:
            yield Listed(file, hexadecimal[1], url if isinstance(url, str) else None)


def _locked(lock: str, name: str, version: str) -> Iterator[Listed]:
    """poetry.lock is poetry's own writing, always in this shape; what is from elsewhere than an index says so."""
    head = rf'^name = "{re.escape(name)}"\nversion = "{re.escape(version)}"\n(.*?)(?=^\[\[package\]\]|\Z)'
    found = re.search(head, lock, re.MULTILINE | re.DOTALL)
    if found is None or re.search(r'^type = "(?!legacy")', found[1], re.MULTILINE):
        return
    for file, digest in re.findall(r'\{file = "([^"]+)", hash = "([^"]+)"\}', found[1]):
        yield from _source(file, digest, None, name, version)


def _kept(listed: Listed, request: Request) -> Iterator[str]:
    """Where poetry keeps the archive: by its URL and digest, or without the URL by its name alone."""
    base = _cache(request) / "artifacts"
    if listed.url is None:
        yield from map(str, base.glob(f"*/*/*/*/{escape(listed.file)}"))
        return
    said = json.dumps(
        {"sha256": listed.digest, "url": listed.url.partition("#")[0]}, sort_keys=True, separators=(",", ":")
    )
    key = hashlib.sha256(said.encode("ascii", "replace")).hexdigest()
    yield str(Path(base, key[:2], key[2:4], key[4:6], key[6:], listed.file))


def _cache(request: Request) -> Path:
    said = request.environment
    base = said.get("XDG_CACHE_HOME")
    usual = f"{base}/pypoetry" if base else facts().own["cache"].replace("~", request.home, 1)
    return Path(said.get("POETRY_CACHE_DIR") or usual)


def _sources(root: str) -> list[str]:
    """Names of the sources that the project lists."""
    content = text(f"{root}/pyproject.toml", 1 << 20, follow=True)
    rows = re.findall(r"^\[\[tool\.poetry\.source\]\]\n((?:(?!\[)[^\n]*\n?)*)", content, re.MULTILINE)
    names = (re.search(r'^name\s*=\s*[\'"]([\w. -]+)[\'"]', row, re.MULTILINE) for row in rows)
    return [found[1] for found in names if found]
