"""The data file of corepack."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pratique.managers.base import Pattern


@dataclass(frozen=True, slots=True)
class Facts:
    """All of `data.toml`."""

    pattern: Pattern
    programs: Mapping[str, str]
    """Names under which it runs other managers → their family."""
    installs: frozenset[str]
    """Verbs after which it runs that manager's own `install`."""


@cache
def facts() -> Facts:
    """Read the data file; it is ours, so a mistake in it is a bug and raises."""
    place = Path(__file__).parent
    data = tomllib.loads((place / "data.toml").read_text(encoding="utf-8"))
    npm = tomllib.loads((place.parent / "npm" / "data.toml").read_text(encoding="utf-8"))["pattern"]
    words = {key: tuple(value) for key, value in data["pattern"].items()}
    node = {key: tuple(npm[key]) for key in ("interpreters", "interpreter_values")}
    return Facts(
        Pattern("corepack", modules=(), **node, **words),
        programs=data["programs"],
        installs=frozenset(data["verbs"]["installs"]),
    )


def patterns() -> tuple[Pattern, ...]:
    """The one pattern of `data.toml`; its shims `yarn` and `pnpm` are recognised as what they become."""
    return (facts().pattern,)
