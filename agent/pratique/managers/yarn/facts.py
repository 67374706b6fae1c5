"""The data file of yarn."""

from pratique.managers.base import Pattern
from pratique.managers.node.facts import Facts, load


def facts() -> Facts:
    """All of `data.toml`."""
    return load("yarn")


def patterns() -> tuple[Pattern, ...]:
    """`yarn` alone, or with a verb that installs."""
    return facts().patterns
