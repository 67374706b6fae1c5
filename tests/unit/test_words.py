"""The closed lists of words have the same names and numbers in Python and in the wire format."""

import pytest

from pratique import words
from pratique.api.v1 import words_pb2

LISTS = [words.Actor, words.Stage, words.Act, words.Action, words.Level, words.Quality, words.Verdict]


@pytest.mark.parametrize("listed", LISTS, ids=lambda listed: listed.__name__)
def test_wire_numbers_are_those_of_python(listed: type[words.Word]) -> None:
    """Each word travels as the number Python gives it, and the wire knows no word that Python does not."""
    prefix = listed.__name__.upper() + "_"

    on_wire = dict(words_pb2.DESCRIPTOR.enum_types_by_name[listed.__name__].values_by_name.items())
    numbers = {name.removeprefix(prefix): value.number for name, value in on_wire.items()}
    unspecified = numbers.pop("UNSPECIFIED", None)

    assert {member.name: member.value for member in listed} == numbers
    assert unspecified == (None if listed is words.Action else 0)


def test_every_list_of_the_wire_is_compared() -> None:
    """A list added to the wire must be added here, and to Python."""
    assert {listed.__name__ for listed in LISTS} == set(words_pb2.DESCRIPTOR.enum_types_by_name)


@pytest.mark.parametrize("listed", LISTS, ids=lambda listed: listed.__name__)
def test_every_word_can_be_read_back(listed: type[words.Word]) -> None:
    """What a report spells, a rule may spell."""
    assert list(listed) == [listed.parse(member.word) for member in listed]


def test_a_word_of_another_list_is_refused_with_the_choices() -> None:
    """A typing mistake is answered with the words that exist."""
    with pytest.raises(ValueError, match=r"'file\.reed' is none of exec, exec\.map, file\.read"):
        words.Act.parse("file.reed")
