"""Package URLs as `[[allow]]` and `[[block]]` name them: a package, a version, a range, or an npm scope.

Ranges are `>=1,<2`: comparisons joined by commas. A pre-release satisfies only its own exact version, so that
a range never admits what nobody meant to list.
"""

import operator
import re
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

# Texts, compiled by the first who needs them: most runs start without any.
_TYPE = r"[a-z][a-z0-9.+-]*\Z"
_CLAUSE = r"(==|!=|>=|<=|>|<)\s*(\S+)\Z"
_SEMVER = r"v?(\d{1,18})(?:\.(\d{1,18}))?(?:\.(\d{1,18}))?(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?\Z"
_SIGNS = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


class Purl(NamedTuple):
    """A package URL without qualifiers; `version` may be a range or None."""

    type: str
    name: str
    """With its namespace: `@scope/name`, `group/name`."""
    version: str | None

    @property
    def is_range(self) -> bool:
        """Whether the version is a set of comparisons."""
        return self.version is not None and self.version[:1] in ("<", ">", "=", "!")

    @property
    def is_scope(self) -> bool:
        """Whether every package of an npm scope is meant."""
        return self.name.endswith("/*")


@lru_cache(maxsize=1024)
def parse(text: str) -> Purl:
    """Take a purl apart; `ValueError` says what is wrong with it."""
    scheme, _, rest = text.partition(":")
    kind, _, path = rest.lstrip("/").partition("/")
    if scheme != "pkg" or not path or not re.match(_TYPE, kind.lower()):
        raise ValueError(f"{text!r} is no package URL such as pkg:npm/left-pad@1.3.0")
    name, version = _split_version(path if _is_range(path) else re.split("[?#]", path, maxsplit=1)[0])
    purl = Purl(kind.lower(), _canonical(kind.lower(), unquote(name)), unquote(version) or None)
    _check(text, purl)
    return purl


def covers(pattern: str, purl: str) -> bool:
    """Whether the pattern means the package at this exact purl; what cannot be read is not covered."""
    try:
        wanted, given = parse(pattern), parse(purl)
        return _same_package(wanted, given) and _same_version(wanted, given)
    except ValueError:
        return False


def specificity(pattern: str) -> int:
    """How narrowly a pattern names: exact version 3, range 2, package 1, scope 0."""
    purl = parse(pattern)
    if purl.version is None:
        return 0 if purl.is_scope else 1
    return 2 if purl.is_range else 3


def _is_range(path: str) -> bool:
    return re.search(r"@\s*[<>=!]", path) is not None


def _split_version(path: str) -> tuple[str, str]:
    if found := re.search(r"@\s*(?=[<>=!])", path):
        return path[: found.start()], path[found.end() :].strip()
    name, mark, version = path.rpartition("@")
    if not mark or name == "" or name.endswith("/"):
        return path, ""
    return name, version


def _canonical(kind: str, name: str) -> str:
    if kind == "pypi":
        return re.sub(r"[-_.]+", "-", name).lower()
    return name.strip("/")


def _check(text: str, purl: Purl) -> None:
    if not purl.name or re.search(r"[\s\x00-\x1f]", purl.name):
        raise ValueError(f"{text!r} names no package")
    if "*" in purl.name and not (purl.type == "npm" and re.fullmatch(r"@[^*/]+/\*", purl.name)):
        raise ValueError(f"{text!r}: a wildcard may stand only for a whole npm scope (pkg:npm/%40scope/*)")
    if purl.is_range and purl.version is not None:
        for clause in purl.version.split(","):
            _compare_to(purl.type, clause.strip(), "0")


def _same_package(wanted: Purl, given: Purl) -> bool:
    if wanted.type != given.type:
        return False
    if wanted.is_scope:
        return given.name.startswith(wanted.name[:-1])
    return wanted.name == given.name


def _same_version(wanted: Purl, given: Purl) -> bool:
    if wanted.version is None:
        return True
    if given.version is None:
        return False
    if not wanted.is_range:
        return wanted.version == given.version
    if _is_prerelease(given.type, given.version):
        return False
    return all(_compare_to(given.type, clause.strip(), given.version) for clause in wanted.version.split(","))


def _compare_to(kind: str, clause: str, version: str) -> bool:
    found = re.match(_CLAUSE, clause)
    if not found:
        raise ValueError(f"{clause!r} is no comparison such as >=1.2")
    sign, bound = found.groups()
    return bool(_SIGNS[sign](_key(kind, version), _key(kind, bound)))


def _is_prerelease(kind: str, version: str) -> bool:
    if kind == "pypi":
        return bool(_pep440(version).is_prerelease)
    return "-" in version.partition("+")[0]


# Any: versions of one kind are compared only with each other, and the two kinds share no type.
def _key(kind: str, version: str) -> Any:
    return _pep440(version) if kind == "pypi" else _semver(version)


def _pep440(version: str) -> Any:
    from packaging.version import Version  # noqa: PLC0415  (only a range over a Python package needs it)

    return Version(version)


def _semver(version: str) -> tuple[int, int, int]:
    found = re.match(_SEMVER, version)
    if not found:
        raise ValueError(f"{version!r} is no version such as 1.2.3")
    if found[4]:
        raise ValueError(f"{version!r}: a pre-release is matched only by its exact version, not by a range")
    major, minor, patch = (int(part or 0) for part in found.groups()[:3])
    return major, minor, patch
