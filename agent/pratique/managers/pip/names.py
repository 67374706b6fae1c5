"""Names in archives and in what a package says of itself, and purls (no library before the command)."""

import re
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pratique.managers.files import text
from pratique.managers.pip.arguments import canonical
from pratique.managers.pip.facts import facts

_MAX_METADATA = 1 << 16
_VERSION = re.compile(r"[0-9][A-Za-z0-9.!+_]*")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def archive_version(url: str, project: str) -> str | None:
    """The version in a source archive's file name, if that names `project`; None when in doubt."""
    name, version = _archive(url)
    return version if name == project else None


def archive_name(url: str) -> str | None:
    """The canonical project name in a source archive's file name; None if it is no such name."""
    return _archive(url)[0]


def _archive(url: str) -> tuple[str | None, str | None]:
    file = unquote(urlsplit(url).path).rpartition("/")[2]
    stem = next((file[: -len(end)] for end in facts().archives if file.endswith(end)), "")
    name, _, version = stem.rpartition("-")
    good = _NAME.fullmatch(name) and _VERSION.fullmatch(version)
    return (canonical(name), version) if good else (None, None)


def metadata(root: str) -> tuple[str | None, str | None]:
    """Name and version as the package itself gives them: a hint, never a proof."""
    head = text(f"{root}/PKG-INFO", _MAX_METADATA).partition("\n\n")[0]
    name = re.search(r"^Name:[ \t]*([A-Za-z0-9][A-Za-z0-9._-]*)[ \t]*\r?$", head, re.MULTILINE)
    version = re.search(r"^Version:[ \t]*([0-9A-Za-z.!+_-]+)[ \t]*\r?$", head, re.MULTILINE)
    return canonical(name[1]) if name else None, version[1] if version else None


def purl(name: str, version: str | None, **qualifiers: str) -> str:
    """`pkg:pypi/name@version?key=value`; URLs among the qualifiers lose their secrets."""
    given = [
        f"{key}={quote(public(value), safe='.-_~:/')}" for key, value in sorted(qualifiers.items()) if value
    ]
    tail = f"@{quote(version, safe='.-_~')}" if version else ""
    return f"pkg:pypi/{name}{tail}{'?' + '&'.join(given) if given else ''}"


def public(url: str) -> str:
    """Without user info, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def same_version(one: str, other: str) -> bool:
    """Equal but for spelling: case, separators, trailing zeros."""
    return _plain(one) == _plain(other)


def _plain(version: str) -> str:
    return re.sub(r"(\.0)+$", "", re.sub(r"[-_]", ".", version.lower()))
