"""The data file of uv, read once, as typed values."""

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
    groups: tuple[str, ...]
    commands: tuple[str, ...]
    values: frozenset[str]
    """Options that take the next word, whatever the verb."""
    only: Mapping[str, tuple[str, ...]]
    """Options that take it after these verbs alone."""
    names: Mapping[str, str]
    source: re.Pattern[str]
    """A source in the cache: groups `cache`, then `kind`, `index`, `name`, `version`, or `direct` alone."""
    git: str
    checkout: re.Pattern[str]
    built: re.Pattern[str]
    """What `uv build` unpacked again of the archive it had just made."""
    environment: re.Pattern[str]
    temporary: re.Pattern[str]
    hook: re.Pattern[str]
    probes: tuple[re.Pattern[str], ...]
    compiler: str
    interpreters: tuple[str, ...]
    shells: tuple[str, ...]
    homes: tuple[str, ...]
    rows: tuple[Row, ...]


@cache
def facts() -> Facts:
    """Read the data file; it is ours, so a mistake in it is a bug and raises."""
    data = tomllib.loads((Path(__file__).parent / "data.toml").read_text(encoding="utf-8"))
    options, cached, children = data["options"], data["cache"], data["children"]
    sources, temporary, name = cached["sources"], cached["temporary"], "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
    indexed = rf"(?P<kind>pypi|index/(?P<index>[0-9a-f]{{16}}))/(?P<name>{name})/(?P<version>[^/]+)"
    direct = r"(?P<direct>url|path)/[0-9a-f]{16}"
    return Facts(
        pattern=Pattern("uv", **{key: tuple(words) for key, words in data["pattern"].items()}),
        groups=tuple(options["groups"]),
        commands=tuple(options["commands"]),
        values=frozenset(options["values"]),
        only={word: tuple(verbs) for word, verbs in options["only"].items()},
        names=options["names"],
        source=re.compile(
            rf"(?P<cache>/.*)/{sources}/(?:{indexed}|{direct})/(?P<id>[A-Za-z0-9_-]{{16,22}})/src(?=/|$)"
        ),
        git=cached["git"],
        checkout=re.compile(
            rf"(?P<cache>/.*)/{cached['git']}/checkouts/[0-9a-f]{{16}}/[0-9a-f]{{7,64}}(?=/|$)"
        ),
        built=re.compile(rf"(?P<cache>/.*)/{sources}/{temporary}/[^/]+"),
        environment=re.compile(rf"(?P<cache>/.*)/{cached['builds']}/{temporary}(?=/bin/)"),
        temporary=re.compile(temporary),
        hook=re.compile(children["hook"]),
        probes=tuple(map(re.compile, children["probes"])),
        compiler=children["compiler"],
        interpreters=tuple(children["interpreters"]),
        shells=tuple(children["shells"]),
        homes=tuple(children["homes"]),
        rows=(*(Row.of(row) for row in data["helper"]), *shared().rows),
    )


def patterns() -> tuple[Pattern, ...]:
    """The one pattern of `data.toml`."""
    return (facts().pattern,)
