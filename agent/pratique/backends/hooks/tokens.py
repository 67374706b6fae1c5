"""Patterns of managers turned into the words the kernel's recogniser looks up (probes/recognise.bpf.h)."""

import re
from collections import defaultdict
from collections.abc import Sequence

from pratique.backends.hooks.mirrors import CTokenKey
from pratique.managers.base import Pattern
from pratique.managers.matching import PROGRAM_TEXT

INTERPRETER, NATIVE, TARGET, MODULE, VERB, INTERPRETER_VALUE, VALUE = range(1, 8)
STOP, LETTER_MODULE, LETTER_VALUE, LETTER_STOP, BARE = range(8, 13)

LIMIT = 64
"""One bit each of the kernel's masks."""

_OFFSET, _PRIME, _WRAP = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1
_SHORT = 2


def tokens(patterns: Sequence[Pattern]) -> dict[bytes, int]:
    """Map key → bits of the patterns in which that word has that role."""
    if len(patterns) > LIMIT:
        raise ValueError(f"{len(patterns)} patterns, but the recogniser follows {LIMIT} at once")
    table: dict[bytes, int] = defaultdict(int)
    for number, pattern in enumerate(patterns):
        for role, hashed in _roles(pattern):
            table[bytes(CTokenKey(hashed, role))] |= 1 << number
    return dict(table)


def fnv(word: str) -> int:
    """64-bit FNV-1a, as the kernel side computes it."""
    state = _OFFSET
    for byte in word.encode("utf-8", "surrogateescape"):
        state = ((state ^ byte) * _PRIME) & _WRAP
    return state


def base(word: str) -> str:
    """Last path component up to its first digit or dot: `/usr/bin/pip3.11` → `pip`."""
    return re.split(r"[0-9.]", word.rpartition("/")[2], maxsplit=1)[0]


def _roles(pattern: Pattern) -> list[tuple[int, int]]:
    found = [(VERB, fnv(word)) for word in pattern.verbs]
    found += [(VALUE, fnv(word)) for word in pattern.values]
    if not pattern.verbs:
        found.append((BARE, 0))
    if not pattern.interpreters:
        return found + [(NATIVE, fnv(base(word))) for word in pattern.targets]
    found += [(INTERPRETER, fnv(base(word))) for word in pattern.interpreters]
    found += [(TARGET, fnv(base(word))) for word in pattern.targets]
    found += [(MODULE, fnv(base(word))) for word in pattern.modules]
    return found + (_clustered(pattern) if pattern.modules else _separate(pattern))


def _clustered(pattern: Pattern) -> list[tuple[int, int]]:
    """Options of an interpreter that takes `-Im pip` and `-Wd`: by letter."""
    letters = [word for word in pattern.interpreter_values if len(word) == _SHORT and word != "-m"]
    whole = [word for word in pattern.interpreter_values if len(word) > _SHORT]
    found = [(LETTER_MODULE, ord("m")), (LETTER_STOP, ord("c"))]
    found += [(LETTER_VALUE, ord(word[1])) for word in letters]
    return found + [(INTERPRETER_VALUE, fnv(word)) for word in whole]


def _separate(pattern: Pattern) -> list[tuple[int, int]]:
    found = [(INTERPRETER_VALUE, fnv(word)) for word in pattern.interpreter_values]
    return found + [(STOP, fnv(word)) for word in PROGRAM_TEXT]
