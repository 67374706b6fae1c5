"""Make hostile text visible: no name may move a cursor, flip a line or command a CI system."""

import re
from typing import Any

# Printable to Unicode, blank to people.
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_NO_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def visible(text: str) -> str:
    r"""`text` with each control, bidi, unassigned or undecodable character spelt out (`\x1b`, `\u202e`)."""
    return "".join(char if _shows(char) else spelt(char) for char in text).replace("##[", "#\\x23[")


def spelt(char: str) -> str:
    r"""One character in ASCII; an undecodable byte shows as the byte it was (`\\xff`)."""
    code = ord(char)
    if "\udc80" <= char <= "\udcff":
        return f"\\x{code - 0xDC00:02x}"
    if char > "\uffff":
        return f"\\U{code:08x}"
    return f"\\x{code:02x}" if char <= "\xff" else f"\\u{code:04x}"


def unicode_only(value: Any) -> Any:
    """A JSON value whose strings are valid Unicode: surrogates are spelt out, JSON escapes the rest."""
    if isinstance(value, str):
        return re.sub(r"[\ud800-\udfff]", lambda found: spelt(found[0]), value)
    if isinstance(value, dict):
        return {unicode_only(key): unicode_only(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [unicode_only(item) for item in value]
    return value


def harmless_line(line: str) -> str:
    """A finished terminal line that no CI system takes for a command, whatever wrapping did to it.

    Runners ignore leading blanks before `::` and find `##[` anywhere, so both are broken up here as well.
    """
    if line.startswith("\x1b"):
        line = f" {line}"
    head = re.match(r"(?:\s|\x1b\[[0-9;]*m)*", line)
    start = head.end() if head else 0
    if line.startswith("::", start):
        line = f"{line[:start]}\\x3a{line[start + 1 :]}"
    return line.replace("##[", "#\\x23[")


def one_line(text: str) -> bool:
    """Whether `text` holds no line break, control character or surrogate, as every line must."""
    return _NO_BREAKS.search(text) is None


def _shows(char: str) -> bool:
    return char.isprintable() and char not in _BLANKS
