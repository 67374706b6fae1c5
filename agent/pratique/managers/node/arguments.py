"""A Node manager's command line: options anywhere, `--` ends them; specs of packages as npm's users write them."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

_NAME = re.compile(r"(@[\w.~-]+/[\w.~-]+|[\w~-][\w.~-]*)(?:@.*)?", re.DOTALL)
_ALIAS = re.compile(r"(?:@[\w.~-]+/)?[\w.~-]+@npm:(?P<spec>.+)", re.DOTALL)


class Spelling(Protocol):
    """What a data file says of a manager's words."""

    @property
    def names(self) -> Mapping[str, str]:
        """Short spelling of an option → the long one."""

    @property
    def values(self) -> Collection[str]:
        """Options that take the next word."""

    @property
    def packages(self) -> Collection[str]:
        """Verbs whose further words name packages."""

    @property
    def command(self) -> Collection[str]:
        """Verbs whose first further word is a program to fetch and run."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Words of one command; options by their long spelling, in the order given."""

    verb: str
    options: tuple[tuple[str, str], ...]
    words: tuple[str, ...]

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of an option."""
        return tuple(value for option, value in self.options if option == name)

    def has(self, name: str) -> bool:
        """Whether an option or flag was given and not switched off."""
        return any(option == name and value != "false" for option, value in self.options)


def parse(given: Sequence[str], spelling: Spelling, lead: Sequence[str] = ()) -> Arguments:
    """Verb, options and words; `lead` are words that the program's name stands for (`npx`: exec)."""
    options: list[tuple[str, str]] = []
    words = list(lead)
    queue = list(given)
    while queue and not (len(words) > 1 and words[0] in spelling.command):  # a program's own words follow it
        word = queue.pop(0)
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            words.append(word)
            continue
        name, equals, value = word.partition("=")
        name = spelling.names.get(name, name)
        if not equals and name in spelling.values and queue:
            value = queue.pop(0)
        options.append((name, value))
    return Arguments(words[0] if words else "", tuple(options), (*words[1:], *queue))


def specs(arguments: Arguments, spelling: Spelling) -> tuple[str, ...]:
    """The words that say what to fetch."""
    if arguments.verb in spelling.command:
        return arguments.all("--package") or arguments.words[:1]
    return arguments.words if arguments.verb in spelling.packages else ()


def wanted(arguments: Arguments, spelling: Spelling) -> frozenset[str]:
    """Names of packages on the command line."""
    return frozenset(name for name in map(name_of, specs(arguments, spelling)) if name)


def name_of(spec: str) -> str | None:
    """The name under which a spec is installed: `a@^1`, `@s/a`, `alias@npm:a`; None for a path or a URL."""
    found = _NAME.fullmatch(spec)
    is_place = spec.startswith((".", "/", "~")) or "://" in spec.partition("@")[0]
    return found[1] if found and not is_place else None


def aliased(spec: str) -> str | None:
    """The name that an alias stands for."""
    found = _ALIAS.fullmatch(spec)
    return name_of(found["spec"]) if found else None


def place_in(spec: str) -> str | None:
    """The path in a spec that is one: `./a`, `a@file:../b`, `/c`."""
    bare = re.sub(r"^(?:@[\w.~-]+/)?[\w.~-]+@(?=file:|link:|[./~])", "", spec)
    path = re.sub(r"^(?:file|link):(?://(?=/))?", "", bare)
    return path if path != bare or bare.startswith((".", "/", "~/")) else None
