"""Run ids: a time and randomness in 26 letters that sort by time and cannot be a path or an option."""

import os
import re

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SHAPE = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def make(seconds: float) -> str:
    """A ULID for this moment."""
    number = int(seconds * 1000) << 80 | int.from_bytes(os.urandom(10))
    return "".join(_LETTERS[number >> shift & 31] for shift in range(125, -1, -5))


def valid(text: str) -> bool:
    """Whether `text` is a ULID."""
    return _SHAPE.fullmatch(text) is not None
