"""Every scenario thrice: the theft is real, the guard stops and explains it, audit mode only records it."""

import pytest

from lab.chance import shuffled
from lab.demands import demand
from scenarios.runner import missing, play
from scenarios.scenario import AUDIT, ENFORCE, OFF, Form, forms


def _name(wanted: Form) -> str:
    return wanted.id


_ALL = shuffled("scenarios", [wanted for wanted in forms() if not wanted.scenario.first])
_HOSTILE = [wanted for wanted in _ALL if not wanted.scenario.benign]


@pytest.mark.parametrize("wanted", _ALL, ids=_name)
def test_positive_control(lab: None, wanted: Form) -> None:
    """With the guard off the act succeeds and the witness has the loot: else the other tests mean nothing."""
    _expect(wanted, OFF)


@pytest.mark.parametrize("wanted", _ALL, ids=_name)
def test_guarded(guard: None, wanted: Form) -> None:
    """Under the guard nothing is taken, the package is named, the install succeeds, nothing stays behind."""
    _expect(wanted, ENFORCE)


@pytest.mark.parametrize("wanted", _HOSTILE, ids=_name)
def test_audited(guard: None, wanted: Form) -> None:
    """In audit mode everything happens, and each act is recorded with what would have been done."""
    _expect(wanted, AUDIT)


def _expect(wanted: Form, guard: str) -> None:
    demand(missing(wanted.scenario, wanted.manager))

    assert play(wanted, guard).broken == []
