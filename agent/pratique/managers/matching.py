"""The reference of how an install is recognised: the kernel's matcher has exactly these steps.

Positional on purpose: a bag of words would also find `python -c "… pip install"` or `echo pip install`.
"""

import re
from collections.abc import Iterable, Sequence

from pratique.managers.base import Pattern

_CUT = re.compile(r"[0-9.]")
_MODULE, _CODE = "m", "c"
PROGRAM_TEXT = ("-e", "-p", "-pe", "-c", "--eval", "--print")
"""After these an interpreter without modules takes its program from the command line, not from a script."""


def match(argv: Sequence[str], patterns: Iterable[Pattern]) -> Pattern | None:
    """The first pattern that `argv` fits, or None."""
    return next((pattern for pattern in patterns if _fits(argv, pattern)), None)


def target_end(argv: Sequence[str], pattern: Pattern) -> int | None:
    """Index of the first word after the manager's own name, or None if `argv` does not run it."""
    if not argv:
        return None
    name = basename(argv[0])
    if not pattern.interpreters:
        return 1 if name in pattern.targets else None
    return _script_end(argv, pattern) if name in pattern.interpreters else None


def basename(word: str) -> str:
    """The last path component, cut at the first digit or dot: `/usr/bin/python3.11` → `python`."""
    return _CUT.split(word.rpartition("/")[2], maxsplit=1)[0]


def _fits(argv: Sequence[str], pattern: Pattern) -> bool:
    end = target_end(argv, pattern)
    if end is None:
        return False
    if not pattern.verbs:
        return True
    verb = _skip_options(argv, end, pattern.values)
    return (argv[verb] if verb < len(argv) else "") in pattern.verbs


def _script_end(argv: Sequence[str], pattern: Pattern) -> int | None:
    """After the script or module; options of the interpreter are read letter by letter, as it reads them."""
    index = 1
    while index < len(argv) and _is_option(argv[index]):
        letter, rest = _deciding_letter(argv[index], pattern) if pattern.modules else ("", "")
        if letter == _CODE or (not pattern.modules and argv[index] in PROGRAM_TEXT):
            return None
        if letter == _MODULE:
            index += 0 if rest else 1
            module = rest or "".join(argv[index : index + 1])
            return index + 1 if basename(module) in pattern.modules else None
        takes_next = (letter and not rest) or argv[index] in pattern.interpreter_values
        index += 2 if takes_next else 1
    return index + 1 if index < len(argv) and basename(argv[index]) in pattern.targets else None


def _deciding_letter(word: str, pattern: Pattern) -> tuple[str, str]:
    """The first letter of a cluster that ends it, and what follows in the word: `-Impip` → `m`, `pip`."""
    values = {value[1] for value in pattern.interpreter_values if len(value) == len("-W")}
    if not word.startswith("--"):
        for index, letter in enumerate(word[1:], start=2):
            if letter in values | {_MODULE, _CODE}:
                return letter, word[index:]
    return "", ""


def _is_option(word: str) -> bool:
    return word.startswith("-") and len(word) > 1


def _skip_options(argv: Sequence[str], index: int, values: Sequence[str]) -> int:
    while index < len(argv) and _is_option(argv[index]):
        index += 2 if argv[index] in values else 1
    return index
