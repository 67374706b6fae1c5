"""What an emergency block may name: a package, a range of its versions, the digest of one, or a host.

Checked as strictly as hosts do: a document that one host cannot compile would leave it with the one before.
"""

import re

from packaging.version import InvalidVersion, Version

from pratique_server.errors import UsageError

LONGEST = 512
_PACKAGE = re.compile(r"pkg:(?P<type>[a-z][a-z0-9.+-]*)/(?P<name>[^\s@?#\x00-\x1f]+)(?:@(?P<version>\S+))?")
_DIGEST = re.compile(r"(?:record-)?sha(?:256|384|512)-[A-Za-z0-9+/=_-]{32,128}")
_HOST = re.compile(
    r"(?:\*\.)?(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)+[A-Za-z][A-Za-z0-9-]{1,62}"
)
_CLAUSE = re.compile(r"(?:==|!=|>=|<=|>|<)(?P<version>[^,<>=!\s]+)")
_SEMVER = re.compile(r"v?\d{1,18}(?:\.\d{1,18}){0,2}(?:\+[0-9A-Za-z.-]+)?")
_MEND = "such as pkg:npm/left-padder@1.0.2, pkg:pypi/x@>=1.2,<1.4, sha512-…, or host.example"


def kind_of(named: str) -> str:
    """`package`, `digest` or `host`; `UsageError` for what is none."""
    if len(named) > LONGEST:
        raise UsageError("this is longer than anything that can be blocked")
    if named.startswith("pkg:"):
        _check_package(named)
        return "package"
    for kind, shape in (("digest", _DIGEST), ("host", _HOST)):
        if shape.fullmatch(named):
            return kind
    raise UsageError("this names no package, digest or host", _MEND)


def _check_package(named: str) -> None:
    found = _PACKAGE.fullmatch(named)
    if found is None:
        raise UsageError("this is no package URL", _MEND)
    name, version = found["name"], found["version"]
    if "*" in name and not (found["type"] == "npm" and re.fullmatch(r"(?:%40|@)[^*/]+/\*", name)):
        raise UsageError("a * stands only for all packages of an npm scope", "such as pkg:npm/%40scope/*")
    if version and version[0] in "<>=!":
        for clause in version.split(","):
            _check_clause(found["type"], clause)


def _check_clause(kind: str, clause: str) -> None:
    found = _CLAUSE.fullmatch(clause)
    if found is None:
        raise UsageError(f"{clause[:40]!r} is no comparison of versions", _MEND)
    version = found["version"]
    if kind != "pypi":
        if _SEMVER.fullmatch(version) is None:
            raise UsageError(f"{version[:40]!r} is no version such as 1.2.3", "a range holds no pre-release")
        return
    try:
        Version(version)
    except InvalidVersion:
        raise UsageError(f"{version[:40]!r} is no version such as 1.2.3", _MEND) from None
