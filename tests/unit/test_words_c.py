"""The closed lists of words have the same names and numbers in C and in Python."""

import re
from pathlib import Path

import pytest

from pratique import words

HEADER = Path(__file__).parents[2] / "probes" / "include" / "words.h"
LISTS = [words.Actor, words.Stage, words.Act, words.Action, words.Level]


def _c_lists() -> dict[str, dict[str, int]]:
    text = HEADER.read_text(encoding="utf-8")
    return {
        name: {word: int(number) for word, number in re.findall(rf"{name.upper()}_(\w+) = (\d+)", body)}
        for name, body in re.findall(r"enum (\w+) \{(.*?)\};", text, re.DOTALL)
    }


@pytest.mark.parametrize("listed", LISTS, ids=lambda listed: listed.__name__)
def test_c_has_the_words_and_numbers_of_python(listed: type[words.Word]) -> None:
    """A record's number means the same word on both sides."""
    assert _c_lists()[listed.__name__.lower()] == {member.name: member.value for member in listed}


def test_every_list_of_c_is_compared() -> None:
    """A list added to C must be added here, and to Python."""
    assert set(_c_lists()) == {listed.__name__.lower() for listed in LISTS}
