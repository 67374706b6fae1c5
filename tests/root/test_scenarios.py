"""Every scenario thrice: the theft is real, the guard stops and explains it, audit mode only records it."""

import pytest

from lab.demands import demand
from scenarios.checks import AUDIT, ENFORCE, OFF
from scenarios.runner import missing, play
from scenarios.scenario import Scenario, load, names


def _name(scenario: Scenario) -> str:
    return scenario.id


_ALL = [load(name) for name in names()]
_HOSTILE = [scenario for scenario in _ALL if not scenario.benign]


@pytest.mark.parametrize("scenario", _ALL, ids=_name)
def test_positive_control(lab: None, scenario: Scenario) -> None:
    """With the guard off the act succeeds and the witness has the loot: else the other tests mean nothing."""
    _expect(scenario, OFF)


@pytest.mark.parametrize("scenario", _ALL, ids=_name)
def test_guarded(guard: None, scenario: Scenario) -> None:
    """Under the guard nothing is taken, the package is named, the install succeeds, nothing stays behind."""
    result = _expect(scenario, ENFORCE)

    assert result <= 10, "a guarded scenario is too slow to be run on every change"


@pytest.mark.parametrize("scenario", _HOSTILE, ids=_name)
def test_audited(guard: None, scenario: Scenario) -> None:
    """In audit mode everything happens, and each act is recorded with what would have been done."""
    _expect(scenario, AUDIT)


def _expect(scenario: Scenario, guard: str) -> float:
    demand(missing(scenario))
    result = play(scenario, guard)

    assert result.broken == []
    return result.outcome.seconds
