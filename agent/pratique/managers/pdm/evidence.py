"""What pdm's own state proves of a source it builds.

pdm unpacks into a temporary directory without a name, once its lock file is written, and keeps what it fetched by
URL. *verified*: the lock file gives for the name and version that the source claims an archive of an index with its
digest; pdm's cache holds an archive of that digest; and all files there are those of it.
"""

import hashlib
import io
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pratique.managers.base import Context
from pratique.managers.files import text
from pratique.managers.node.tampering import unchanged
from pratique.managers.pdm.facts import facts
from pratique.managers.pip import tracker
from pratique.managers.pip.names import archive_version, metadata, purl
from pratique.managers.python.archives import members
from pratique.managers.python.family import Request
from pratique.model import Identity
from pratique.words import Quality

_MAX_LOCK, _MAX_ARCHIVE = 64 << 20, 256 << 20
_BODIES = "SELECT id FROM entries WHERE instr(data, ?) > 0 ORDER BY created_at DESC LIMIT 20"
_CHUNKS = "SELECT chunk_data FROM streams WHERE entry_id = ? AND chunk_number >= 0 ORDER BY chunk_number"


def examine(root: str, context: Context, request: Request) -> tuple[Identity, str]:
    """The package whose archive was unpacked into a directory of pdm's."""
    name, version = metadata(root)
    if name is None or version is None or not tracker.private(root):
        return Identity(), "it does not say a name and a version"
    claimed = Identity(Quality.CLAIMED, purl(name, version), direct=name in request.names)
    base = _cache(request) / "http" / "http-cache.db"
    if any(map(context.written_by_package, (f"{request.root}/pdm.lock", str(base)))):
        return claimed, "package code wrote pdm's lock file or cache"
    for file, digest in _locked(text(f"{request.root}/pdm.lock", _MAX_LOCK), name, version):
        body = _body(base, file, digest)
        if body and unchanged(root, 0, partial(members, io.BytesIO(body))):
            found = claimed._replace(quality=Quality.VERIFIED, digest=f"sha256-{digest}")
            return found, "its files are those of the archive that the lock file gives"
    return claimed, "pdm keeps no archive of that name with these files"


def _locked(lock: str, name: str, version: str) -> Iterator[tuple[str, str]]:
    """pdm.lock is pdm's own writing, always in this shape; what is from elsewhere than an index has a URL."""
    head = rf'^name = "{re.escape(name)}"\nversion = "{re.escape(version)}"\n(.*?)(?=^\[\[package\]\]|\Z)'
    found = re.search(head, lock, re.MULTILINE | re.DOTALL)
    if found is None or re.search(r"^(?:url|path|git|ref|revision) = ", found[1], re.MULTILINE):
        return
    for file, digest in re.findall(r'\{file = "([^"/]+)", hash = "sha256:([0-9a-f]{64})"\}', found[1]):
        if archive_version(file, name) == version:
            yield file, digest


def _body(base: Path, file: str, digest: str) -> bytes | None:
    """What pdm fetched under a URL that ends in this file, if it has the digest."""
    import sqlite3  # noqa: PLC0415 -- while a process waits, never before the command starts

    try:
        held = sqlite3.connect(f"file:{base}?mode=ro", uri=True, timeout=0.5)
        try:
            for (entry,) in held.execute(_BODIES, (f"/{file}".encode(),)):
                body = b"".join(row[0] for row in held.execute(_CHUNKS, (entry,)))
                if len(body) <= _MAX_ARCHIVE and hashlib.sha256(body).hexdigest() == digest:
                    return body
        finally:
            held.close()
    except (sqlite3.Error, TypeError):
        return None
    return None


def _cache(request: Request) -> Path:
    said = request.environment
    base = said.get("XDG_CACHE_HOME")
    usual = f"{base}/pdm" if base else facts().own["cache"].replace("~", request.home, 1)
    return Path(said.get("PDM_CACHE_DIR") or usual)
