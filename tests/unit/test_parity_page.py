"""docs/parity.md: no attempt, scenario or kernel is missing, and `lsm` answers whatever a rule refuses."""

import pytest

from kernels import matrix, parity
from pratique.backends.coverage import LSM_ROWS
from scenarios.replays import replays
from scenarios.scenario import STRICT
from scenarios.tally import coverage

_PAGE = parity.PAGE.read_text(encoding="utf-8")
_TABLE, _TIERS = (parity.shown(_PAGE, table) for table in parity.TABLES)
_HEAD, _ROWS = _TABLE[0], {name: cells for name, *cells in _TABLE[1:]}
_ATTEMPTS = {row.id: row.claim.word for row in LSM_ROWS}
_REPLAYS = {name: (each.scenario, guard) for each in replays("lsm") for guard, name in each.guards.items()}
_OF_LSM = [index for index, column in enumerate(_HEAD[1:]) if not column.startswith("hooks")]


def test_every_machine_has_a_column() -> None:
    """Of the whole matrix, in its order, with root and without."""
    shown = [table[0][1:] for table in (_TABLE, _TIERS)]
    assert [parity.columns(matrix.read(), table) for table in parity.TABLES] == shown


def test_every_attempt_and_scenario_has_a_row() -> None:
    """`make test-kernels`, then `python -m kernels.parity`, where one is missing."""
    assert {*_ATTEMPTS, *_REPLAYS} == set(_ROWS)
    standard = {name for name in _REPLAYS if not name.endswith(f"/{STRICT}")}
    assert {*_ATTEMPTS, *standard} <= {name for name, *_ in _TIERS[1:]}


@pytest.mark.parametrize("name", _ATTEMPTS)
def test_lsm_covers_what_it_claims(name: str) -> None:
    """In both attachments, on every kernel."""
    assert {_ROWS[name][index] for index in _OF_LSM} == {_ATTEMPTS[name]}


@pytest.mark.parametrize("name", _REPLAYS)
def test_lsm_enforces(name: str) -> None:
    """An ordinary error for everything that a rule refuses: nobody is killed for it, nothing only seen."""
    scenario, guard = _REPLAYS[name]
    if scenario.benign:
        wanted = {"clean", "seen"} if scenario.audited else {"clean"}
    else:
        wanted = {"enforced"} if scenario.refused("lsm", guard) else {"seen"}

    assert {_ROWS[name][index] for index in _OF_LSM} <= wanted, coverage(scenario, "lsm")
