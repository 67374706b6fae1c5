"""The data file of pdm."""

from pratique.managers.base import Pattern
from pratique.managers.python.facts import Facts, load


def facts() -> Facts:
    """All of `data.toml`."""
    return load("pdm")


def patterns() -> tuple[Pattern, ...]:
    """The one pattern of `data.toml`."""
    return (facts().pattern,)
