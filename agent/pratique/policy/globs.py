"""Path patterns of groups and allows: `*` in a name, `**` across names, `~` every home, `.` the project."""

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

_MAGIC = frozenset("*?[")
_ESCAPED = re.compile(r"\[([*?\[])\]")


def is_magic(text: str) -> bool:
    """Whether the text holds a wildcard."""
    return not _MAGIC.isdisjoint(text)


def literal_beginning(pattern: str) -> str:
    """What every name that fits begins with."""
    return pattern[: next((at for at, char in enumerate(pattern) if char in _MAGIC), len(pattern))]


def escape(path: str) -> str:
    """The pattern that matches exactly `path`."""
    return "".join(f"[{char}]" if char in _MAGIC else char for char in path)


def literal(pattern: str) -> str | None:
    """The one path that the pattern matches; None when it has wildcards."""
    return None if is_magic(_ESCAPED.sub("", pattern)) else _ESCAPED.sub(r"\1", pattern)


def anchored(pattern: str, homes: Iterable[str], project: str | None) -> Iterator[str]:
    """The absolute patterns that `pattern` stands for here."""
    if pattern.startswith("~/"):
        yield from (f"{escape(home)}{pattern[1:]}" for home in homes)
    elif not pattern.startswith("./"):
        yield pattern
    elif project is not None:
        yield f"{escape(project)}{pattern[1:]}"


def matches(pattern: str, path: str, homes: Iterable[str], project: str | None) -> bool:
    """Whether a resolved absolute path falls under the pattern; an unresolved one never does."""
    parts = path.split("/")
    if parts[0] or ".." in parts or "." in parts:
        return False
    return any(_match(one.split("/"), parts) for one in anchored(pattern, homes, project))


def _match(patterns: Sequence[str], parts: Sequence[str]) -> bool:
    for index, pattern in enumerate(patterns):
        if pattern == "**":
            return _match_anywhere(patterns[index + 1 :], parts[index:])
        if index >= len(parts) or not _name_matches(pattern, parts[index]):
            return False
    return len(patterns) == len(parts)


def _match_anywhere(rest: Sequence[str], parts: Sequence[str]) -> bool:
    if not rest:
        return True
    return any(_match(rest, parts[start:]) for start in range(len(parts)))


def _name_matches(pattern: str, name: str) -> bool:
    return pattern == name or (is_magic(pattern) and fnmatchcase(name, pattern))
