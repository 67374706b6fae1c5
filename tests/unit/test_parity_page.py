"""docs/parity.md: no attempt, scenario or kernel is missing; `lsm` and each tier answer whatever a rule refuses."""

from collections.abc import Collection

import pytest

from kernels import matrix, parity
from pratique.backends.coverage import LSM_ROWS
from pratique.backends.rootless.capability import TIER, TRACED
from pratique.backends.rootless.claims import claims
from scenarios.replays import replays
from scenarios.scenario import Scenario
from scenarios.tally import coverage

_PAGE = parity.PAGE.read_text(encoding="utf-8")
_TABLE, _TIERS = (parity.shown(_PAGE, table) for table in parity.TABLES)
_HEAD, _ROWS = _TABLE[0], {name: cells for name, *cells in _TABLE[1:]}
_ATTEMPTS = {row.id: row.claim.word for row in LSM_ROWS}
_REPLAYS = {name: (each.scenario, guard) for each in replays("lsm") for guard, name in each.guards.items()}
_OF_TIERS = {name: cells for name, *cells in _TIERS[1:]}
_BOOTS = [boot for boot in matrix.read().boots if boot.tier for _ in matrix.read().kernels]
_COLUMNS = list(zip(range(len(_BOOTS)), _BOOTS, strict=True))
_UNPLAYED = {column for column in _TIERS[0][1:] if column.split()[1] in parity.UNPLAYED}
_NAMED = pytest.mark.parametrize(("column", "boot"), _COLUMNS, ids=_TIERS[0][1:])
_OF_LSM = [index for index, column in enumerate(_HEAD[1:]) if not column.startswith("hooks")]


def test_every_machine_has_a_column() -> None:
    """Of the whole matrix, in its order, with root and without."""
    shown = [table[0][1:] for table in (_TABLE, _TIERS)]
    assert [parity.columns(matrix.read(), table) for table in parity.TABLES] == shown


def test_every_attempt_and_scenario_has_a_row() -> None:
    """`make test-kernels`, then `python -m kernels.parity`, where one is missing."""
    assert {*_ATTEMPTS, *_REPLAYS} == set(_ROWS)
    assert {*_ATTEMPTS, *_REPLAYS, *parity.UNOWED} <= set(_OF_TIERS)
    assert any(name.startswith("way.") for name in _OF_TIERS) or parity.UNPLAYED


@pytest.mark.parametrize("name", _ATTEMPTS)
def test_lsm_covers_what_it_claims(name: str) -> None:
    """In both attachments, on every kernel."""
    assert {_ROWS[name][index] for index in _OF_LSM} == {_ATTEMPTS[name]}


@pytest.mark.parametrize("name", _REPLAYS)
def test_lsm_enforces(name: str) -> None:
    """An ordinary error for everything that a rule refuses: nobody is killed for it, nothing only seen."""
    scenario, guard = _REPLAYS[name]
    assert {_ROWS[name][index] for index in _OF_LSM} <= _wanted(scenario, "lsm", guard), coverage(
        scenario, "lsm"
    )


@_NAMED
def test_a_tier_owes_every_cell(column: int, boot: matrix.Boot) -> None:
    """But those that a list with reasons leaves out, and not one of these."""
    empty = {name for name, cells in _OF_TIERS.items() if cells[column] == "-"}
    unowed = {name for name in parity.UNOWED if parity.unowed(name, boot.name)}
    assert empty >= unowed
    assert empty == unowed or _named(column) in _UNPLAYED


@_NAMED
def test_a_tier_covers_what_it_claims(column: int, boot: matrix.Boot) -> None:
    """On every kernel what `doctor` says of that tier."""
    claimed = {name: level.word for name, (level, _) in claims(boot.tier, made=False).items()}
    told = {name: _OF_TIERS[name][column] for name in claimed if _played(name, column)}
    assert told == {name: claimed[name] for name in told}


@_NAMED
def test_a_tier_answers(column: int, boot: matrix.Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an error or a kill before the act whatever a rule refuses; tier 4 alone by one after it."""
    monkeypatch.setenv(TIER, str(boot.tier))
    answers = {"enforced", "killed-before", *(["killed-after"] if boot.tier == TRACED else [])}
    for name, (scenario, guard) in _REPLAYS.items():
        if not parity.unowed(name, boot.name) and _played(name, column):
            assert _OF_TIERS[name][column] in _wanted(scenario, "rootless", guard, answers), name


def test_what_was_not_played_is_missing() -> None:
    """A kernel whose cells are all there, or that has no column, is not on that list."""
    ways = {name for name in _OF_TIERS if name.startswith("way.")}
    owed = {name for name in (*_ATTEMPTS, *_REPLAYS) if name not in parity.UNOWED}
    for kernel in parity.UNPLAYED:
        mine = [index for index, column in enumerate(_TIERS[0][1:]) if column.endswith(f" {kernel}")]
        cells = [_OF_TIERS[name][index] for index in mine for name in (*owed, *ways)]
        assert not ways or "-" in cells


def _named(column: int) -> str:
    return _TIERS[0][1 + column]


def _played(name: str, column: int) -> bool:
    """Whether the cell is there; one that is not may only be missing in what is known not to be whole."""
    return _OF_TIERS[name][column] != "-" or _named(column) not in _UNPLAYED


def _wanted(
    scenario: Scenario, backend: str, guard: str, answers: Collection[str] = ("enforced",)
) -> set[str]:
    """What a replay's cell may say."""
    if scenario.benign:
        return {"clean", "seen"} if scenario.audited else {"clean"}
    if scenario.refused(backend, guard):
        return set(answers)
    return {"seen"} if scenario.told(backend, guard) else {"clean"}
