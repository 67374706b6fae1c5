"""The scenario files: each attack can fail and has a twin, the catalogue is covered, and the page says the truth."""

import re
from pathlib import Path

import pytest

from pratique.backends import syscalls
from scenarios import page
from scenarios.mutants import BLIND, OF_MANAGERS, default_rules, spoken_for
from scenarios.replays import replay, replays
from scenarios.scenario import ENFORCED, STRICT, Scenario, forms, load, names
from scenarios.tally import owed

_ALL = [load(name) for name in names()]
_ATTACKS = [scenario for scenario in _ALL if not scenario.benign]
_ROWS = {f"O{number:02}" for number in range(1, 43)}
_TRAPS = [f"F{number:02}" for number in (*range(1, 27), *range(32, 40), 45, 46, *range(53, 57))]
_NOT_INSTALL = {
    "F04": "typed by a person, as root, and no hook of an install",
    "F22": "sub-commands that a person types after the install",
    "F55": "a person's agents and prompts, which a test cannot stand in for",
}


def _name(scenario: Scenario) -> str:
    return scenario.id


def test_every_row_of_the_catalogue_has_a_scenario() -> None:
    """Each row is replayed at least once."""
    covered = {re.split(r"[-@]", name)[0] for name in names()}

    assert _ROWS - covered == set()


def test_every_trap_has_a_twin() -> None:
    """Each honest behaviour that looks bad is played by a benign scenario, or is named as not of an install."""
    covered = {model for scenario in _ALL for model in scenario.modelled_on}

    assert set(_TRAPS) - covered == set(_NOT_INSTALL)


@pytest.mark.parametrize("scenario", _ATTACKS, ids=_name)
def test_an_attack_can_fail(scenario: Scenario) -> None:
    """It has something to steal, something to find, and a benign twin."""
    assert scenario.theft
    assert scenario.rows
    assert scenario.twin is not None
    assert load(scenario.twin).benign


@pytest.mark.parametrize("scenario", _ALL, ids=_name)
def test_it_installs_something(scenario: Scenario) -> None:
    """Its packages are there, and a form of it is run."""
    assert scenario.sources or scenario.repositories
    assert scenario.managers


def test_every_default_rule_is_spoken_for() -> None:
    """Each rule has a scenario that would miss it; the blind are named in a row, those of managers in their tests."""
    spoken = {rule for each in replays() for rule in spoken_for(each.scenario)}
    rows = {row.rule for scenario in _ALL for row in scenario.rows}

    assert set(default_rules()) - spoken == {*BLIND, *OF_MANAGERS}
    for rule, file in OF_MANAGERS.items():
        assert f'"{rule}"' in (Path(__file__).parents[1] / "root" / file).read_text(encoding="utf-8")
    assert rows >= set(BLIND)


def test_other_backends_owe_the_same_or_better() -> None:
    """A backend without a column of its own may answer with an error where `hooks` can only kill."""
    wanted = replay("O15-rc", "lsm")
    assert wanted is not None
    rename = next(row for row in wanted.rows if "file.rename" in row.act)

    assert rename.expected("hooks") != rename.expected("lsm")
    assert getattr(rename.expected("lsm"), "actions", None) == {"killed", "denied"}


@pytest.mark.parametrize(("version", "backend", "unheld"), [(5, "hooks", 1), (5, "lsm", 0), (6, "hooks", 0)])
def test_a_theft_may_need_a_newer_landlock(
    monkeypatch: pytest.MonkeyPatch, version: int, backend: str, unheld: int
) -> None:
    """Only of the backend that has nothing else, and only in the kernels that lack it."""
    monkeypatch.setattr(syscalls, "landlock_abi", lambda: version)

    assert [theft.unheld(backend) for theft in load("O13").theft].count(True) == unheld


def test_strict_owes_what_standard_records() -> None:
    """A row of a first run may be recorded only under `standard`, and refused under `strict`."""
    row = next(row for row in load("O10").rows if "net.connect" in row.act)

    assert [row.expected("hooks", guard).actions for guard in ENFORCED] == [{"audited"}, {"denied"}]  # type: ignore[union-attr]
    assert row.expected("lsm", STRICT) == row.expected("hooks", STRICT)
    assert [str(owed(load("O10"), "hooks", guard)) for guard in ENFORCED] == ["D1 S", "D1 B1 S"]


def test_the_page_is_what_the_scenarios_say() -> None:
    """docs/scenarios.md has every form, says what is owed, and its last run showed just that."""
    shown = page.shown(page.PAGE.read_text(encoding="utf-8"))
    seen_at = page.COLUMNS.index("seen")
    wanted = page.rows({})

    assert [row[:seen_at] + row[seen_at + 1 :] for row in shown] == [
        row[:seen_at] + row[seen_at + 1 :] for row in wanted
    ], "run `make scenarios`"
    assert [row[seen_at] for row in shown] == [row[seen_at - 1] for row in shown]
    assert len(shown) == len(forms())
