"""The package managers Pratique knows. Adding one is one folder here and one line below."""

from functools import cache

from pratique.managers.base import Manager, Pattern
from pratique.managers.matching import match
from pratique.managers.pip import Pip

__all__ = ["match", "patterns", "registry"]


@cache
def registry() -> dict[str, Manager]:
    """Every manager family by its name."""
    return {manager.name: manager for manager in (Pip(),)}


def patterns() -> tuple[Pattern, ...]:
    """All patterns, in the order in which they are tried."""
    return tuple(pattern for manager in registry().values() for pattern in manager.patterns())
