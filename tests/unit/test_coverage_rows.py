"""Every row of the coverage table is proved by an attempt, and claims no more than was seen."""

import signal
from collections.abc import Iterable
from dataclasses import replace

import pytest

import coverage_page
from pratique.backends import decoys, proof
from pratique.backends.attempts import ATTEMPTS, Outcome
from pratique.backends.coverage import LSM_ROWS, ROWS
from pratique.backends.proof import Attempt, Trial
from pratique.words import Act, Level


def row(claim: Level) -> Attempt:
    """Make a row with that claim."""
    return Attempt("file.read", Act.FILE_READ, "any", claim, "as designed", lambda _: True)


DONE = Trial(Outcome(1), happened=True)
REFUSED = Trial(Outcome(1, error=13), happened=False)
KILLED = Trial(Outcome(1, signal=signal.SIGKILL), happened=False)
LATE = Trial(Outcome(1, signal=signal.SIGKILL), happened=True)
TOLD = Trial(Outcome(1), happened=True, told=True)


def test_every_act_has_a_row() -> None:
    """No act of the closed list is passed over in silence."""
    assert {attempt.act for attempt in ROWS} == set(Act)


def unproved(rows: Iterable[Attempt]) -> set[str]:
    """Rows that claim more than `blind` with nothing that tries them."""
    return {attempt.id for attempt in rows if attempt.claim < Level.BLIND and attempt.id not in ATTEMPTS}


def test_every_row_has_its_attempt_and_every_attempt_its_row() -> None:
    """A level without a proof, or a proof that nobody runs, is a defect."""
    assert unproved(ROWS) == set()
    assert sorted(attempt.id for attempt in ROWS) == sorted(ATTEMPTS)


@pytest.mark.parametrize("claim", [level for level in Level if level < Level.BLIND])
def test_a_row_without_an_attempt_is_found(claim: Level) -> None:
    """The check above can fail: whatever a made-up row claims, it is named."""
    assert unproved([*ROWS, replace(row(claim), id="file.wished")]) == {"file.wished"}


def test_the_page_shows_the_rows() -> None:
    """docs/coverage.md promises what the code claims: `python tests/coverage_page.py` writes it."""
    assert coverage_page.shown(coverage_page.PAGE.read_text(encoding="utf-8")) == coverage_page.table()


def test_the_page_shows_the_rows_of_lsm() -> None:
    """The same for the backend that answers in the kernel, beside what `hooks` can do."""
    page = coverage_page.PAGE.read_text(encoding="utf-8")

    assert coverage_page.shown(page, "lsm") == coverage_page.table(LSM_ROWS)


def test_lsm_leaves_nothing_blind_and_kills_nobody() -> None:
    """Where the kernel can answer an act it does: only what is meant to be recorded is not refused."""
    assert [row.id for row in LSM_ROWS] == [row.id for row in ROWS]
    assert {row.id for row in LSM_ROWS if row.claim is not Level.ENFORCED} == {
        "exec.fresh",
        "exec.map",
        "net.listen",
    }
    assert all(row.claim <= Level.SEEN for row in LSM_ROWS)


def test_a_page_that_promises_more_is_found() -> None:
    """The comparison can fail: one row more, or one level better, is another table."""
    better = [replace(attempt, claim=Level.ENFORCED) for attempt in ROWS]

    assert coverage_page.table(better) != coverage_page.table()
    assert coverage_page.table([*ROWS, row(Level.SEEN)]) != coverage_page.table()


def test_rows_are_told_apart() -> None:
    """Act and circumstance name a row in a report."""
    assert len({(attempt.act, attempt.when) for attempt in ROWS}) == len(ROWS)


def test_every_act_is_decided_by_the_policy_of_the_proof() -> None:
    """What no rule speaks of cannot be refused, nor seen."""
    assert {row.act for rule in decoys.policy().rules for row in rule.rows} == set(Act)


def test_policy_of_the_proof_names_only_its_groups() -> None:
    """A row for a group that does not exist would prove nothing."""
    policy = decoys.policy()
    names = {group.name for group in policy.groups} | {"*"}

    assert {row.group for rule in policy.rules for row in rule.rows} <= names


@pytest.mark.parametrize(
    ("trial", "level"),
    [
        (REFUSED, Level.ENFORCED),
        (KILLED, Level.KILLED_BEFORE),
        (LATE, Level.KILLED_AFTER),
        (TOLD, Level.SEEN),
        (DONE, Level.BLIND),
        (Trial(None, happened=False), Level.BLIND),
        (Trial(Outcome(1), happened=False), Level.BLIND),
        (Trial(Outcome(1), happened=False, told=True, refused=True), Level.ENFORCED),
        (Trial(Outcome(1), happened=True, told=True, refused=True), Level.SEEN),
        (Trial(Outcome(1, error=0), happened=False), Level.BLIND),
        (Trial(Outcome(1, error=13), happened=True), Level.BLIND),
        (Trial(Outcome(1, signal=signal.SIGALRM), happened=False), Level.BLIND),
        (Trial(Outcome(1, signal=signal.SIGALRM), happened=False, told=True), Level.BLIND),
    ],
)
def test_level_is_what_the_trial_shows(trial: Trial, level: Level) -> None:
    """Only an error and no act is enforced; an attempt that broke or never ran shows nothing."""
    assert proof.observed(trial) == level


@pytest.mark.parametrize("claim", list(Level))
@pytest.mark.parametrize("trial", [REFUSED, KILLED, LATE, TOLD, DONE])
def test_row_is_never_better_than_seen_nor_than_claimed(claim: Level, trial: Trial) -> None:
    """The weaker of the two stands, and a row that disappoints says what came instead."""
    found = proof.judge(row(claim), DONE, trial)

    assert found.level == max(claim, proof.observed(trial))
    assert found.reason.startswith("as designed") == (proof.observed(trial) <= claim)
    assert found.scenario == "attempt:file.read"


@pytest.mark.parametrize("control", [REFUSED, KILLED, Trial(None, happened=False)])
def test_row_without_positive_control_is_blind(control: Trial) -> None:
    """What cannot be done unguarded was not stopped by the guard."""
    found = proof.judge(row(Level.ENFORCED), control, REFUSED)

    assert found.level == Level.BLIND
    assert found.reason.startswith("could not be tried here")
