"""Purls of Node packages, without secrets (no library before the command)."""

from urllib.parse import quote

from pratique.managers.node.registries import public


def purl(name: str, version: str | None, **qualifiers: str) -> str:
    """`pkg:npm/%40scope/name@version?key=value`; URLs among the qualifiers lose their secrets."""
    given = [
        f"{key}={quote(source(value), safe='.-_~:/')}" for key, value in sorted(qualifiers.items()) if value
    ]
    tail = f"@{quote(version, safe='.-_~')}" if version else ""
    return f"pkg:npm/{quote(name, safe='/.-_~')}{tail}{'?' + '&'.join(given) if given else ''}"


def source(url: str) -> str:
    """Without secrets, but with the commit that a git URL ends in."""
    bare, mark, commit = url.partition("#")
    keep = mark and bare.startswith("git") and all(letter in "0123456789abcdef" for letter in commit)
    return public(bare) + (f"#{commit}" if keep else "")
