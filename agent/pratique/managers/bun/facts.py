"""The data file of bun."""

from pratique.managers.base import Pattern
from pratique.managers.node.facts import Facts, load


def facts() -> Facts:
    """All of `data.toml`."""
    return load("bun")


def patterns() -> tuple[Pattern, ...]:
    """`bun` with a verb that installs, and `bunx` with anything."""
    return facts().patterns
