"""Every scenario whose act is a first run: one daemon for all of them, a home, a network and an install for each."""

from collections.abc import Iterator

import pytest

from lab.chance import shuffled
from lab.demands import demand
from scenarios.checks import NO_LINE
from scenarios.first_runs import Watch
from scenarios.runner import missing, play_first
from scenarios.scenario import ENFORCE, OFF, STRICT, Form, forms

_ALL = shuffled("first runs", [wanted for wanted in forms() if wanted.scenario.first])
_TWICE = [wanted for wanted in _ALL if any(row.source for row in wanted.scenario.rows)]
"""A stack is read within 0.3 s or not at all: where a line is wanted, a busy machine has a second try."""
_STRICTER = [wanted for wanted in _ALL if STRICT in wanted.scenario.guards]


def _name(wanted: Form) -> str:
    return wanted.id


@pytest.fixture(scope="module")
def unwatched(lab: None) -> Iterator[Watch]:
    """Homes, and nobody who guards them."""
    with Watch(_ALL, OFF) as made:
        yield made


@pytest.fixture(scope="module")
def watched(guard: None) -> Iterator[Watch]:
    """A daemon under `standard`; it leaves nothing behind."""
    with Watch([*_ALL, *_TWICE], ENFORCE) as made:
        yield made
        assert made.close() == []


@pytest.fixture(scope="module")
def strictly_watched(guard: None) -> Iterator[Watch]:
    """A daemon under `strict`; it leaves nothing behind."""
    with Watch([*_STRICTER, *_TWICE], STRICT) as made:
        yield made
        assert made.close() == []


@pytest.mark.parametrize("wanted", _ALL, ids=_name)
def test_positive_control(unwatched: Watch, wanted: Form) -> None:
    """With no daemon the act succeeds and the witness has the loot: else the other tests mean nothing."""
    _expect(wanted, unwatched)


@pytest.mark.parametrize("wanted", _ALL, ids=_name)
def test_guarded(watched: Watch, wanted: Form) -> None:
    """What `standard` refuses does not happen, the rest is recorded; the package and the line are named."""
    _expect(wanted, watched)


@pytest.mark.parametrize("wanted", _STRICTER, ids=_name)
def test_strict(strictly_watched: Watch, wanted: Form) -> None:
    """What `standard` only records is refused as well, and the program still works."""
    _expect(wanted, strictly_watched)


def _expect(wanted: Form, watch: Watch) -> None:
    demand(missing(wanted.scenario, wanted.manager))

    broken = play_first(wanted, watch).broken
    if broken and all(line.startswith(NO_LINE) for line in broken):
        broken = play_first(wanted, watch).broken
    assert broken == [], watch.log
