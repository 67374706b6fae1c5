"""uv.lock of the user's project: which archive it expects under a name and version."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pratique.managers.files import text
from pratique.managers.uv import project
from pratique.managers.uv.memory import Request

_MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Locked:
    """One package of the lock."""

    registry: str | None
    """The index it is taken from; None for another kind of source."""
    digest: str | None
    """Of its source archive."""


def locked(
    request: Request, name: str, version: str, written_by_package: Callable[[str], bool]
) -> Locked | None:
    """What the lock of the project says of a package; None without a lock or without the package.

    The file is uv's own writing, always in this shape; a parser for the whole of it would take as long as
    many installs.
    """
    path = _path(request)
    if path is None or written_by_package(path):
        return None
    head = rf'^name = "{re.escape(name)}"\nversion = "{re.escape(version)}"\n(.*?)(?=^\[\[package\]\]|\Z)'
    found = re.search(head, text(path, _MAX_BYTES), re.MULTILINE | re.DOTALL)
    if found is None:
        return None
    registry = re.search(r'^source = \{ registry = "([^"]*)"', found[1], re.MULTILINE)
    digest = re.search(r'^sdist = \{ [^\n]*\bhash = "sha256:([0-9a-f]{64})"', found[1], re.MULTILINE)
    return Locked(registry[1] if registry else None, f"sha256-{digest[1]}" if digest else None)


def _path(request: Request) -> str | None:
    if request.arguments.verb == "build" or not project.used(request.arguments):
        return None
    places = (Path(request.here), *Path(request.here).parents)
    return next((str(place / "uv.lock") for place in places if (place / "uv.lock").is_file()), None)
