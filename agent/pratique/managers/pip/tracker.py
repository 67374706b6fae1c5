"""pip's build tracker: a file per source being prepared, named by the hash of the URL pip took it from.

The same in 21.3 and in 26.3: `sha224(url without fragment)`, holding `requirement from URL (from who)`, or
the bare URL while the name is unknown. It is gone when the wheel is built, so what it said is remembered.
"""

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pratique.managers.files import text
from pratique.managers.pip.arguments import canonical
from pratique.managers.pip.facts import facts

_MAX_BYTES, _MAX_ENTRIES = 1 << 16, 256
_REQUIREMENT = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[[^\]]*\])?\s*(@?)")


@dataclass(frozen=True, slots=True)
class Entry:
    """What pip noted of a source it is preparing."""

    name: str | None
    """Canonical name that was asked for; None for a bare URL or path."""
    url: str
    direct: bool
    """The requirement itself named the URL (`name @ url`, a bare URL, a path)."""
    proved: bool
    """The file's name is the hash of this URL: the text was split where pip joined it."""


def directory(environment: Mapping[str, str], beside: str, outside: Mapping[str, str]) -> str | None:
    """The tracker's directory, if pip made it, and in the temporary directory that holds `beside`."""
    for variable, kind in facts().trackers.items():
        path = environment.get(variable)
        if not path or variable in outside:
            continue  # a value that was there before pip started says nothing of this run
        made = re.fullmatch(rf"pip-{kind}-[a-z0-9_]{{8}}", Path(path).name)
        near = not beside or Path(path).parent == Path(beside).parent
        return path if made and near and private(path) else None
    return None


def private(path: str) -> bool:
    """Whether it is a directory as tempfile makes them: no link, and nobody else may enter."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077


def entries(path: str, written_by_package: Callable[[str], bool], users: tuple[str, ...] = ()) -> list[Entry]:
    """All entries that pip itself wrote; `users` are the credentials of the configured indexes."""
    if written_by_package(path):
        return []
    files = sorted(map(str, Path(path).iterdir()))[:_MAX_ENTRIES]
    found = (_read(file, users) for file in files if not written_by_package(file))
    return [entry for entry in found if entry]


def _read(path: str, users: tuple[str, ...]) -> Entry | None:
    split = list(_splits(text(path, _MAX_BYTES)))
    for requirement, url in split:
        if any(_hash(full) == Path(path).name for full in _unredacted(url, users)):
            return _entry(requirement, url, proved=True)
    return _entry(*split[0], proved=False) if len(split) == 1 else None


def _unredacted(url: str, users: tuple[str, ...]) -> Iterator[str]:
    """The URL as written and, where pip hid a password in it, with each that is configured."""
    yield url
    parts = urlsplit(url)
    hidden, at, server = parts.netloc.rpartition("@")
    if at and "****" in hidden:
        yield from (urlunsplit(parts._replace(netloc=f"{user}@{server}")) for user in users)


def _splits(content: str) -> Iterator[tuple[str, str]]:
    """Every way to read the text as (requirement, URL): a marker may hold ` from ` too."""
    bare = re.match(r"[a-z][a-z0-9+.-]*:\S*/\S*", content)
    if bare:
        yield "", bare[0]
        return
    for found in re.finditer(r" from ([a-z][a-z0-9+.-]*:\S+)", content):
        yield content[: found.start()], found[1]


def _entry(requirement: str, url: str, *, proved: bool) -> Entry:
    found = _REQUIREMENT.match(requirement)
    name = canonical(found[1]) if found else None
    return Entry(name, url, direct=found is None or bool(found[2]), proved=proved)


def _hash(url: str) -> str:
    return hashlib.sha224(url.partition("#")[0].encode("utf-8", "surrogateescape")).hexdigest()
