"""npm's command line, read the way npm reads it (nopt): options anywhere, `--` ends them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pratique.managers.matching import target_end
from pratique.managers.npm.facts import facts

_NAME = re.compile(r"(@[\w.~-]+/[\w.~-]+|[\w~-][\w.~-]*)(?:@.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Arguments:
    """Words of one npm command; options by their long spelling, in the order given."""

    verb: str
    options: tuple[tuple[str, str], ...]
    words: tuple[str, ...]

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of an option."""
        return tuple(value for option, value in self.options if option == name)

    def has(self, name: str) -> bool:
        """Whether an option or flag was given and not switched off."""
        return any(option == name and value != "false" for option, value in self.options)


def script_of(argv: Sequence[str]) -> str | None:
    """The script of npm that node was started with."""
    ends = (target_end(argv, pattern) for pattern in (facts().npm, facts().npx))
    return next((argv[end - 1] for end in ends if end), None)


def after_npm(argv: Sequence[str]) -> tuple[str, Sequence[str]]:
    """`npm` or `npx`, and the words after it."""
    for name, pattern in (("npm", facts().npm), ("npx", facts().npx)):
        if end := target_end(argv, pattern):
            return name, argv[end:]
    return "npm", ()


def parse(argv: Sequence[str]) -> Arguments:
    """Verb, options and words of a command line; for `npx` the verb is `exec`."""
    program, given = after_npm(argv)
    options: list[tuple[str, str]] = []
    words: list[str] = ["exec"] if program == "npx" else []
    queue = list(given)
    while queue and not _is_program(words):
        word = queue.pop(0)
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            words.append(word)
            continue
        name, equals, value = word.partition("=")
        name = facts().names.get(name, name)
        if not equals and name in facts().values and queue:
            value = queue.pop(0)
        options.append((name, value))
    return Arguments(words[0] if words else "", tuple(options), (*words[1:], *queue))


def name_of(spec: str) -> str | None:
    """The name under which a spec is installed: `a@^1`, `@s/a`, `alias@npm:a`; None for a path or a URL."""
    found = _NAME.fullmatch(spec)
    is_place = spec.startswith((".", "/", "~")) or "://" in spec.partition("@")[0]
    return found[1] if found and not is_place else None


def place_in(spec: str) -> str | None:
    """The path in a spec that is one: `./a`, `a@file:../b`, `/c`."""
    bare = re.sub(r"^(?:@[\w.~-]+/)?[\w.~-]+@(?=file:|link:|[./~])", "", spec)
    path = re.sub(r"^(?:file|link):(?://(?=/))?", "", bare)
    return path if path != bare or bare.startswith((".", "/", "~/")) else None


def _is_program(words: Sequence[str]) -> bool:
    """What follows the program of `npm exec` are the program's own words."""
    return len(words) > 1 and words[0] in facts().command
