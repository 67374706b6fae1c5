"""Which groups a path belongs to: gives refusals of the static layer, which carry only a path, their rule.

The path is what the caller said, so it is evidence and never a decision: the kernel has refused already.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from posixpath import isabs, join, normpath

from pratique.policy import globs
from pratique.policy.model import Group

_LONGEST = 4096


class Places:
    """The groups of a policy as path patterns on this host."""

    def __init__(self, groups: Iterable[Group], homes: Sequence[str], project: str) -> None:
        self._patterns = [(group.name, _patterns(group)) for group in groups]
        self._homes, self._project = homes, project
        self.groups_of = lru_cache(maxsize=4096)(self._groups_of)  # a program may retry one refusal for ever

    def _groups_of(self, path: str) -> tuple[str, ...]:
        return tuple(name for name, patterns in self._patterns if self._any(patterns, path))

    def _any(self, patterns: tuple[str, ...], path: str) -> bool:
        return any(globs.matches(pattern, path, self._homes, self._project) for pattern in patterns)


def absolute(path: str, cwd: str) -> str | None:
    """The path seen from `cwd`, with `.` and `..` taken as names; None when nothing says where it starts."""
    if not path or len(path) > _LONGEST:
        return None
    if not isabs(path) and not isabs(cwd):
        return None
    joined = normpath(join(cwd, path))
    return joined[1:] if joined.startswith("//") else joined


def _patterns(group: Group) -> tuple[str, ...]:
    """`names` count in the project root and in homes."""
    return (*group.paths, *(f"{root}/{name}" for name in group.names for root in ("~", ".")))
