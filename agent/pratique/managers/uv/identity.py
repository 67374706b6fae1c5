"""Which package a build belongs to, and how far that may be believed (docs/policy.md section 2).

*verified* rests on what only uv wrote, read before any code of the package runs: the directory of its cache
that bears the index, the name and the version; the revision file beside it that names that very directory and
an archive of that name and version; and that the index is one the command is configured with. Everything else
is *claimed* at best. What a package says of itself (PKG-INFO, pyproject.toml) never raises a quality.
"""

import os
import re
import tomllib
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pratique.managers.base import Context, Stopped
from pratique.managers.files import opened, text
from pratique.managers.pip.arguments import canonical, name_of, url_of
from pratique.managers.pip.names import archive_version, metadata, public, purl, same_version
from pratique.managers.pip.project import inode
from pratique.managers.uv.lock import locked
from pratique.managers.uv.memory import Memory, Request
from pratique.managers.uv.places import Place, build_environment, closed, place_of, strayed
from pratique.model import Identity
from pratique.words import Quality

_MAX_FILES, _MAX_REVISION, _MAX_METADATA = 5000, 1 << 16, 1 << 18
_CLAIMED, _UNKNOWN = Quality.CLAIMED, Identity()
_ID = re.compile(rb"\x93[\xa0-\xbf]([A-Za-z0-9_-]{16,22})")
_DIGEST = re.compile(rb"\x81\xa6Sha256\xd9\x40([0-9a-f]{64})")
_URL = re.compile(rb"https?://[!-~]+?\.(?:tar\.gz|tgz|zip|tar\.bz2|tar\.xz|tar\.zst|tar\.lzma)")


@dataclass(frozen=True, slots=True)
class Revision:
    """What uv noted of the archive it unpacked; None where the file does not say."""

    id: str | None = None
    digest: str | None = None
    url: str | None = None


def identify(child: Stopped, context: Context, memory: Memory, request: Request) -> tuple[Identity, str]:
    """Identity of the package code that is about to start, and why."""
    place, environment = place_of(child.cwd, request.config), build_environment(child)
    root = place.root if place else child.cwd
    astray = memory.moved(root) or strayed(child, context.manager)
    return memory.identify(root, environment, astray, lambda: _found(place, child, context, memory, request))


def _found(
    place: Place | None, child: Stopped, context: Context, memory: Memory, request: Request
) -> tuple[Identity, str]:
    if place is None:
        return _UNKNOWN, "it works in no directory that uv unpacked"
    return _examine(place, child, context, memory, request)


def _examine(
    place: Place, child: Stopped, context: Context, memory: Memory, request: Request
) -> tuple[Identity, str]:
    if inode(place.root) is None or os.path.realpath(place.root) != place.root:
        return _UNKNOWN, "its directory is gone or moved"
    if place.kind == "git":
        return _checkout(place, request)
    revision = _revision(place, context)
    if place.name is None or place.version is None:
        return _direct(place, revision, request)
    lock = locked(request, place.name, place.version, context.written_by_package)
    doubt = _doubt(place, revision, child, context, memory, request)
    found = Identity(
        quality=_CLAIMED if doubt else Quality.VERIFIED,
        purl=purl(place.name, place.version),
        source=public(revision.url) if revision.url else None,
        digest=revision.digest or (lock.digest if lock else None),
        direct=place.name in request.names,
    )
    return found, doubt or "uv's cache names it, from a configured index"


def _doubt(
    place: Place, revision: Revision, child: Stopped, context: Context, memory: Memory, request: Request
) -> str | None:
    """The first reason for which the cache does not verify the package."""
    environment = build_environment(child)
    if environment and not environment.startswith(f"{place.cache}/"):
        return "its build environment lies in another cache"
    if not _closed(place, request):
        return "everybody may write into uv's cache"
    if child.cwd != place.root:
        return "it works below the directory uv unpacked it into"
    if revision.id != place.id:
        return "uv's revision file does not name its directory"
    if revision.url and archive_version(revision.url, place.name or "") is None:
        return "uv took it from an archive of another name"
    return request.config.refuses(place.index) or _touched(place, context, memory) or _metadata_lies(place)


def _closed(place: Place, request: Request) -> bool:
    """No directory from the cache's root down to the source is open to others."""
    below = Path(place.root).relative_to(place.cache)
    depth = len(below.parts)
    return all(
        closed(str(path), request.config.user)
        for path in (Path(place.root), *Path(place.root).parents[:depth])
    )


def _touched(place: Place, context: Context, memory: Memory) -> str | None:
    """Package code that ran before may have written into the archive's directories or the unpacked source."""
    written = context.written_by_package
    above = [str(path) for path in (Path(place.root), *Path(place.root).parents[:3])]
    if any(map(written, [*above, *_revision_files(place)])):
        return "package code wrote where uv unpacked it"
    return _changed(place, context, memory) if memory.builds else None


def _changed(place: Place, context: Context, memory: Memory) -> str | None:
    """Writing shows in the kernel's record; files that were moved there, only in their times."""
    since = max(memory.began, *(_changed_at(path) for path in _revision_files(place)))
    entries = (f"{top}/{name}" for top, folders, files in os.walk(place.root) for name in (*folders, *files))
    for path in islice(entries, _MAX_FILES):
        if context.written_by_package(path):
            return "other package code wrote into it"
        if _changed_at(path) > since:
            return "it changed after uv unpacked it"
    return None


def _changed_at(path: str) -> float:
    try:
        return os.lstat(path).st_ctime
    except OSError:
        return 0.0


def _metadata_lies(place: Place) -> str | None:
    name, says = metadata(place.root)
    if name and name != place.name:
        return "its PKG-INFO gives another name"
    differs = says and place.version and not same_version(says, place.version)
    return "its PKG-INFO gives another version" if differs else None


def _direct(place: Place, revision: Revision, request: Request) -> tuple[Identity, str]:
    """An archive by URL or path: what it calls itself is all there is."""
    name, version = declared(place.root)
    url = revision.url or ""
    return Identity(
        quality=_CLAIMED if name else Quality.UNKNOWN,
        purl=purl(name, version, download_url=url) if name else None,
        source=public(url) if url else None,
        digest=revision.digest,
        direct=name in request.names or url in request.wanted.urls() or place.kind == "path",
    ), "a direct URL or path: nobody vouches for the name"


def _checkout(place: Place, request: Request) -> tuple[Identity, str]:
    urls = {
        url: word for word in request.wanted.requirements if (url := url_of(word)) and url.startswith("git+")
    }
    name, version = declared(place.root)
    url = next(iter(urls)) if len(urls) == 1 else ""
    asked = name_of(urls[url]) if url else None
    shown = public(url.removeprefix("git+")) if url else None
    known = asked or name
    return Identity(
        quality=_CLAIMED if known else Quality.UNKNOWN,
        purl=purl(known, version, vcs_url=shown or "") if known else None,
        source=shown,
        direct=True if url else None,
    ), "built from version control"


def declared(root: str) -> tuple[str | None, str | None]:
    """Name and version as a source gives them itself, in PKG-INFO or else in pyproject.toml."""
    name, version = metadata(root)
    if name:
        return name, version
    try:
        table = tomllib.loads(text(f"{root}/pyproject.toml", _MAX_METADATA)).get("project", {})
    except tomllib.TOMLDecodeError:
        return None, None
    says = (table.get(key) for key in ("name", "version")) if isinstance(table, dict) else (None, None)
    name, version = (word if isinstance(word, str) else None for word in says)
    good = name and re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", name)
    known = version if version and re.fullmatch(r"[0-9A-Za-z.!+_-]+", version) else None
    return (canonical(name), known) if good and name else (None, None)


def _revision_files(place: Place) -> list[str]:
    return [f"{place.revision}/revision.{kind}" for kind in ("http", "rev")]


def _revision(place: Place, context: Context) -> Revision:
    """Read out of uv's own notes by their fixed shape; nothing is decoded further."""
    for path in _revision_files(place):
        try:
            with opened(path) as file:
                data = b"" if context.written_by_package(path) else file.read(_MAX_REVISION)
        except OSError:
            continue
        return _read_revision(data, place)
    return Revision()


def _read_revision(data: bytes, place: Place) -> Revision:
    names = [found.decode() for found in _ID.findall(data)]
    digests = {found.decode() for found in _DIGEST.findall(data)}
    urls = [found.decode() for found in _URL.findall(data)]
    return Revision(
        id=place.id if names[:1] == [place.id] else None,
        digest=f"sha256-{digests.pop()}" if len(digests) == 1 else None,
        url=urls[0] if urls else None,
    )
