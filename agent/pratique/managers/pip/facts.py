"""The data file of pip, read once, as typed values."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pratique.managers.base import Pattern
from pratique.managers.helpers import Row, shared


@dataclass(frozen=True, slots=True)
class Facts:
    """All of `data.toml`."""

    pattern: Pattern
    values: frozenset[str]
    """Options that take the next word."""
    options: tuple[str, ...]
    """Every long option, to resolve abbreviations as optparse does."""
    names: Mapping[str, str]
    rows: tuple[Row, ...]
    unpacked: re.Pattern[str]
    """`pip-install-RAND/NAME_<hex>`: groups `parent`, `name`."""
    unnamed: re.Pattern[str]
    trackers: Mapping[str, str]
    runner: str
    standalone: re.Pattern[str]
    caller: re.Pattern[str]
    archives: tuple[str, ...]


@cache
def facts() -> Facts:
    """Read the data file; it is ours, so a mistake in it is a bug and raises."""
    data = tomllib.loads((Path(__file__).parent / "data.toml").read_text(encoding="utf-8"))
    build, options = data["build"], data["options"]
    kinds, random = "|".join(build["unpacked"]), "[a-z0-9_]{8}"
    return Facts(
        pattern=Pattern("pip", **{key: tuple(words) for key, words in data["pattern"].items()}),
        values=frozenset(options["values"]),
        options=tuple(word for word in options["values"] + options["flags"] if word.startswith("--")),
        names=options["names"],
        rows=(*(Row.of(row) for row in data["helper"]), *shared().rows),
        unpacked=re.compile(
            rf"(?P<parent>/(?:.*/)?pip-(?:{kinds})-{random})/(?P<name>[^/]+)_[0-9a-f]{{32}}(?=/|$)"
        ),
        unnamed=re.compile(rf"(?P<parent>/(?:.*/)?pip-{build['unnamed']}-{random})(?=/|$)"),
        trackers=build["trackers"],
        runner=build["runner"],
        standalone=re.compile(rf"/(?:.*/)?pip-{build['standalone']}-{random}/__env_pip__\.zip/pip"),
        caller=re.compile(build["caller"]),
        archives=tuple(build["archives"]),
    )


def patterns() -> tuple[Pattern, ...]:
    """The one pattern of `data.toml`."""
    return (facts().pattern,)
