"""The data file of pnpm."""

from pratique.managers.base import Pattern
from pratique.managers.node.facts import Facts, load


def facts() -> Facts:
    """All of `data.toml`."""
    return load("pnpm")


def patterns() -> tuple[Pattern, ...]:
    """`pnpm` with a verb that installs, and `pnpx` with anything."""
    return facts().patterns
