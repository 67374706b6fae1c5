"""Which package a build belongs to, and how far that may be believed (docs/policy.md section 2).

*verified* rests on four things that only pip wrote, read before any code of the package runs: the directory
`pip-install-RAND/NAME_<uuid>` pip unpacked into; a tracker entry for NAME, named by the hash of its URL; an
archive name in that URL that gives NAME and the version; and that pip found it through a configured index.
Everything else is *claimed* at best. What a package says of itself (PKG-INFO) never raises a quality.
"""

import hashlib
import os
import re
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from pratique.managers.base import Context, Stopped
from pratique.managers.files import opened
from pratique.managers.pip import tracker
from pratique.managers.pip.arguments import Wanted, canonical, local_path
from pratique.managers.pip.facts import facts
from pratique.managers.pip.memory import Memory, Request
from pratique.managers.pip.names import archive_name, archive_version, metadata, public, purl, same_version
from pratique.managers.pip.project import inode
from pratique.managers.pip.tracker import Entry
from pratique.model import Identity
from pratique.words import Quality

_MAX_ARCHIVE, _MAX_FILES = 64 << 20, 5000
_BUILD_ENVIRONMENT = re.compile(r"/(?:[^:]*/)?pip-build-env-[a-z0-9_]{8}(?=/)")
_CLAIMED, _UNKNOWN = Quality.CLAIMED, Identity()


@dataclass(frozen=True, slots=True)
class Place:
    """Where pip unpacked a source; `name` is None while pip does not know it."""

    root: str
    parent: str
    name: str | None


def place_of(cwd: str, memory: Memory) -> Place | None:
    """The unpack directory a process works in, None if it is none of pip's."""
    if found := facts().unpacked.match(cwd):
        return Place(found[0], found["parent"], canonical(found["name"]))
    if found := facts().unnamed.match(cwd):
        return Place(found[0], found[0], None)
    if cwd in memory.checkouts:
        return Place(cwd, "", canonical(Path(cwd).name))
    return None


def build_environment(child: Stopped) -> str:
    """The isolated environment pip made for one source: it ties a process to it whatever its cwd became."""
    for word in (child.environment.get("PYTHONPATH", ""), *child.argv[:1], child.environment.get("PATH", "")):
        if found := _BUILD_ENVIRONMENT.match(word):
            return found[0]
    return ""


def identify(child: Stopped, context: Context, memory: Memory, request: Request) -> tuple[Identity, str]:
    """Identity of the package code that is about to start, and why."""
    place, environment = place_of(child.cwd, memory), build_environment(child)
    root = place.root if place else child.cwd
    held = memory.builds.get(root)
    astray = held is not None and held.environment != environment
    return memory.identify(root, environment, astray, lambda: _found(place, child, context, memory, request))


def _found(
    place: Place | None, child: Stopped, context: Context, memory: Memory, request: Request
) -> tuple[Identity, str]:
    if place is None:
        return _UNKNOWN, "it works in none of pip's directories"
    return _examine(place, child, context, memory, request)


def tracked(place: Place, child: Stopped, context: Context, memory: Memory, request: Request) -> list[Entry]:
    """The entries pip wrote for the source in this place."""
    outside = {} if context.manager.pid in memory.nested else context.manager.environment
    made = tracker.directory(child.environment, place.parent, outside)
    if made is None:
        return []
    found = tracker.entries(made, context.written_by_package, request.sources.users())
    return [entry for entry in found if entry.name == place.name]


def _examine(
    place: Place, child: Stopped, context: Context, memory: Memory, request: Request
) -> tuple[Identity, str]:
    if inode(place.root) is None or os.path.realpath(place.root) != place.root:
        return _UNKNOWN, "its directory is gone or moved"
    entries = tracked(place, child, context, memory, request)
    if len(entries) > 1:
        return _several(entries)
    if not entries:
        return _hinted(place, "pip's tracker has no entry for it")
    return _judge(entries[0], place, context, memory, _asked(context, memory, request))


def _several(entries: list[Entry]) -> tuple[Identity, str]:
    purls = (purl(entry.name, archive_version(entry.url, entry.name)) for entry in entries if entry.name)
    return Identity(_CLAIMED, candidates=tuple(dict.fromkeys(purls))), "pip is preparing several of that name"


def _asked(context: Context, memory: Memory, request: Request) -> Request:
    """For a build requirement the user named nothing: the request without what it wanted."""
    nested = context.parent.pid in memory.nested
    return replace(request, wanted=Wanted(constraints=request.wanted.constraints)) if nested else request


def _judge(
    entry: Entry, place: Place, context: Context, memory: Memory, request: Request
) -> tuple[Identity, str]:
    name = entry.name or archive_name(entry.url)
    if "+" in urlsplit(entry.url).scheme:
        return _checkout(entry)
    version = archive_version(entry.url, name or "")
    doubt = _doubt(entry, place, context, memory, request, version)
    found = Identity(
        quality=_CLAIMED if doubt else Quality.VERIFIED,
        purl=purl(name, version, download_url=entry.url if entry.direct else "") if name else None,
        source=public(entry.url),
        digest=_digest(entry.url, place, context),
        direct=_direct(name, entry, request),
    )
    return found, doubt or "pip's tracker and directory agree"


def _direct(name: str | None, entry: Entry, request: Request) -> bool | None:
    if name is None:
        return None
    named = entry.url.partition("#")[0] in request.wanted.urls()
    return named or entry.name is None or name in request.wanted.names()


def _doubt(
    entry: Entry, place: Place, context: Context, memory: Memory, request: Request, version: str | None
) -> str | None:
    """The first reason for which the entry does not verify the package."""
    bare = entry.url.partition("#")[0]
    if entry.direct or entry.name is None or bare in request.wanted.urls():
        return "a direct URL or path: nobody vouches for the name"
    if not entry.proved:
        return "the tracker's entry does not bear the hash of its URL"
    if version is None:
        return "the archive's name does not give the project's name and a version"
    if not tracker.private(place.parent):
        return "pip's directory is open to others"
    refused = request.sources.refuses(bare) or _touched(bare, place, context, memory)
    return refused or _metadata_lies(entry, place, version)


def _touched(url: str, place: Place, context: Context, memory: Memory) -> str | None:
    """Package code that ran before may have written into the archive or the unpacked source."""
    written = context.written_by_package
    archive = local_path(url)
    if written(place.root) or written(place.parent) or (archive and written(archive)):
        return "package code wrote where pip unpacked it"
    if not memory.builds:
        return None
    files = (f"{top}/{file}" for top, _, names in os.walk(place.root) for file in names)
    return "other package code wrote into it" if any(map(written, islice(files, _MAX_FILES))) else None


def _metadata_lies(entry: Entry, place: Place, version: str) -> str | None:
    name, says = metadata(place.root)
    if name and name != entry.name:
        return "its PKG-INFO gives another name"
    return "its PKG-INFO gives another version" if says and not same_version(says, version) else None


def _hinted(place: Place, why: str) -> tuple[Identity, str]:
    name, version = metadata(place.root)
    if place.name and name not in (None, place.name):
        return Identity(_CLAIMED, purl=purl(place.name, None)), f"{why}; its PKG-INFO gives another name"
    known = place.name or name
    return (Identity(_CLAIMED, purl=purl(known, version)), why) if known else (_UNKNOWN, why)


def _checkout(entry: Entry) -> tuple[Identity, str]:
    found = purl(entry.name, None, vcs_url=public(entry.url)) if entry.name else None
    quality = _CLAIMED if found else Quality.UNKNOWN
    return Identity(quality, purl=found, source=public(entry.url), direct=True), "built from version control"


def _digest(url: str, place: Place, context: Context) -> str | None:
    given = re.search(r"[#&]sha256=([0-9a-f]{64})(?:&|$)", url)
    if given:
        return f"sha256-{given[1]}"
    path = local_path(url.partition("#")[0]) or _downloaded(url, place)
    if path is None or context.written_by_package(path):
        return None
    try:
        with opened(path) as file:
            whole = os.fstat(file.fileno()).st_size <= _MAX_ARCHIVE
            return f"sha256-{hashlib.file_digest(file, 'sha256').hexdigest()}" if whole else None
    except (OSError, ValueError):
        return None


def _downloaded(url: str, place: Place) -> str | None:
    """The archive in pip's own download directory, if exactly one bears the name."""
    file = urlsplit(url).path.rpartition("/")[2]
    if not file or not place.parent or not re.fullmatch(r"[\w.+-]+", file):
        return None
    found = [path for path in Path(place.parent).parent.glob(f"pip-unpack-*/{file}") if not path.is_symlink()]
    return str(found[0]) if len(found) == 1 and tracker.private(str(found[0].parent)) else None
