"""Hostile text as something that can be looked at: nothing in it hides, reorders, or runs on for ever."""

import json
import re
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

LONGEST = 4_096

# Controls, format characters (bidi, zero width, tags), separators, surrogates, private use, letters of no shape.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffd\ud800-\udfff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U0010ffff]"
)
_NAMED = {"\n": "⏎", "\t": "⇥", "\r": "␍", "\x1b": "␛", "\0": "␀"}
_PLAIN = re.compile(r"""[^\s"'\\]+""")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def visible(text: str, longest: int = LONGEST) -> str:
    """`text` with everything that cannot be seen written out, and its middle left out when it is too long."""
    return _HIDDEN.sub(_named, shortened(text, longest))


def shortened(text: str, longest: int) -> str:
    """Both ends stay: of a path the end says most, of a command line the beginning."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]} … {len(text) - 2 * half} more … {text[-half:]}"


def shown(value: Any) -> Any:
    """What a template writes for an expression: for every text, whatever the template's author thought of."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, str):
        return visible(value)
    return "" if value is None else value


def command_line(words: Sequence[str]) -> str:
    """A command line in which one can see where a word begins and ends."""
    return " ".join(
        word if _PLAIN.fullmatch(word) else json.dumps(word, ensure_ascii=False) for word in words
    )


def cell(value: Any) -> str:
    """A cell of a CSV file that no spreadsheet takes for a formula."""
    text = visible("" if value is None else str(value))
    return f"'{text}" if text.lstrip(" \u3000\xa0").startswith(_FORMULA) or text[:1] in "⏎⇥␍" else text


def _named(found: re.Match[str]) -> str:
    character = found[0]
    return _NAMED.get(character) or f"⟨U+{ord(character):04X}⟩"
