"""What pnpm's own state proves of a package's code.

pnpm unpacks what it resolved from a registry into `.pnpm/NAME@VERSION`, by the registry's name whatever the alias,
and keeps the registry's document of that name. *verified*: the code lies there and through no link; the document of
the registry that is configured for the name has that version, with a strong digest; the lock file, where there
was one, says the same digest and no other archive; and nothing there changed since other package code ran.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pratique.managers.base import Context
from pratique.managers.files import opened
from pratique.managers.node.environment import digest_of
from pratique.managers.node.identity import Proof
from pratique.managers.node.memory import Memory, Request
from pratique.managers.node.places import Place
from pratique.managers.node.tampering import honest
from pratique.managers.pnpm.facts import facts
from pratique.managers.pnpm.store import holds

_MAX_DOCUMENT, _MAX_ENTRY = 64 << 20, 1 << 20
_HEAD = re.compile(rb"pnpm-meta-v1 (\d{1,9}) (\d{1,9})\n")


def proof(place: Place, context: Context, memory: Memory, request: Request) -> Proof:
    """The package a place of pnpm's is, by the registry's word."""
    found = re.search(facts().own["place"] + "/node_modules/", f"{place.location}/node_modules/")
    name = (
        found["name"].replace("+", "/", 1)
        if found and found["name"].startswith("@")
        else found and found["name"]
    )
    if not found or name != place.name:
        return Proof(doubt="pnpm took it from no registry")
    version = found["version"]
    entry = _entry(name, version, context, request)
    digest, url = digest_of(str(entry.get("integrity"))), entry.get("tarball")
    address = url if isinstance(url, str) else None
    doubt = _doubt(name, version, digest, request)
    doubt = doubt or _tampered(place, f"{digest}\t{name}@{version}", memory, request)
    return Proof(
        name, version, address, digest, doubt, "pnpm's place for it and the registry's document agree"
    )


def _doubt(name: str, version: str, digest: str | None, request: Request) -> str | None:
    if digest is None:
        return "pnpm's cache does not show that the registry has it"
    locked = _locked(name, version, request.lock)
    if locked is None:
        return None
    if "tarball:" in locked and not _ours(locked, name, version, request):
        return "the lock file takes it from another archive"
    return None if digest in locked else "the lock file has another digest than the registry"


def _ours(locked: str, name: str, version: str, request: Request) -> bool:
    said = re.search(r"tarball: ([^\s,}]+)", locked)
    archive = request.registries.tarball(said[1]) if said else None
    return archive is not None and (archive.name, archive.version) == (name, version)


def _locked(name: str, version: str, lock: str) -> str | None:
    """The `resolution` of a package in the lock file: pnpm's own writing, always in this shape."""
    key = re.escape(f"{name}@{version}")
    found = re.search(
        rf"^  ['/]?'?{key}'?(?:\([^\n]*\))?'?:\n    resolution: (\{{[^\n]*\}})$", lock, re.MULTILINE
    )
    return found[1] if found else None


def _tampered(place: Place, key: str, memory: Memory, request: Request) -> str | None:
    if memory.began is None:
        return None
    same = honest(place.folder, memory.began, lambda changed: holds(place.folder, changed, key, request))
    return None if same else "its files changed since other package code ran"


def _entry(name: str, version: str, context: Context, request: Request) -> Mapping[str, Any]:
    """`dist` of a version in the registry's document; empty when there is none, or several that differ."""
    documents = [path for path in _documents(name, request) if not context.written_by_package(str(path))]
    found = [entry for entry in (_dist(path, version) for path in documents) if entry]
    same = len({str(entry.get("integrity")) for entry in found}) == 1
    return found[0] if same else {}


def _documents(name: str, request: Request) -> Iterator[Path]:
    said = request.environment
    base = said.get("XDG_CACHE_HOME") or f"{request.home}/.cache"
    cache = Path(*request.arguments.all("--cache-dir")[-1:] or (f"{base}/pnpm",))
    registry = request.registries.of(name)
    for pattern in facts().own["metadata"]:
        for folder in cache.glob(f"{pattern}/*"):
            if registry is None or _is_for(folder.name, registry):
                yield from (
                    path for path in (folder / f"{name}.jsonl", folder / f"{name}.json") if path.is_file()
                )


def _is_for(folder: str, registry: str) -> bool:
    """Whether pnpm named a folder after a registry: by its host and port, in older ones without the scheme."""
    plain = re.sub(r"[^a-z0-9.-]+", "+", unquote(folder).lower()).strip("+")
    host = re.sub(r"[^a-z0-9.-]+", "+", urlsplit(registry).netloc.rpartition("@")[2].lower())
    return re.fullmatch(rf"(?:https?\+)?{re.escape(host)}(?:\+.*)?", plain) is not None


def _dist(path: Path, version: str) -> Mapping[str, Any]:
    try:
        with opened(str(path)) as file:
            data = file.read(_MAX_DOCUMENT)
        held = _row(data, version) if path.suffix == ".jsonl" else json.loads(data)["versions"][version]
        dist = held["dist"] if held.get("version") == version else {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
    return dist if isinstance(dist, dict) else {}


def _row(data: bytes, version: str) -> Any:
    """One version of a document with an index: a head with two lengths, what they count, then the versions."""
    head = _HEAD.match(data)
    if head is None:
        raise ValueError("no such document")
    begin = head.end() + int(head[1])
    rows = begin + int(head[2])
    index = json.loads(data[begin:rows])
    offset, length = next((row[1], row[2]) for row in index["versions"] if row[0] == version)
    return json.loads(data[rows + offset : rows + offset + min(length, _MAX_ENTRY)])
