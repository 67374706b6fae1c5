"""The exit table of docs/policy.md section 6, over every combination."""

import itertools
from types import SimpleNamespace

import pytest

from pratique.runs.verdict import status, verdict
from pratique.words import Action, Verdict
from unit import runs_sample as sample

ENDS = [(0, None), (1, None), (3, None), (126, None), (127, None), (None, 9), (None, 2), (None, None)]
FINDINGS = [(), (Action.AUDIT,), (Action.DENY,), (Action.KILL,), (Action.AUDIT, Action.DENY)]


def expected(
    end: tuple[int | None, int | None], actions: tuple[Action, ...], fail_on: str, fails_incomplete: bool
) -> int:
    """The table in words: the command's own status first, then 3, then 0."""
    exit_status, signal = end
    if signal is not None:
        return 128 + signal
    if exit_status is None:
        return 125
    if exit_status != 0:
        return exit_status
    if fails_incomplete:
        return 3
    counted = {
        "none": (),
        "audit": (Action.AUDIT, Action.DENY, Action.KILL),
        "deny": (Action.DENY, Action.KILL),
    }[fail_on]
    return 3 if any(action in counted for action in actions) else 0


@pytest.mark.parametrize(
    ("end", "actions", "fail_on", "incomplete", "strict"),
    list(itertools.product(ENDS, FINDINGS, ("none", "audit", "deny"), (False, True), (False, True))),
)
def test_status(
    end: tuple[int | None, int | None],
    actions: tuple[Action, ...],
    fail_on: str,
    incomplete: bool,
    strict: bool,
) -> None:
    """S unless S is 0; then 3 for what --fail-on asks, or for incomplete where the policy says so."""
    findings = [SimpleNamespace(action=action) for action in actions]
    policy = sample.policy(fail_on_incomplete=strict)

    found = status(end[0], end[1], findings, fail_on, incomplete, policy)

    assert found == expected(end, actions, fail_on, incomplete and strict)


@pytest.mark.parametrize(
    ("actions", "word"),
    [
        ((), "clean"),
        ((Action.AUDIT,), "findings"),
        ((Action.DENY,), "blocked"),
        ((Action.AUDIT, Action.KILL), "blocked"),
    ],
)
def test_verdict(actions: tuple[Action, ...], word: str) -> None:
    """Denied and killed mean blocked; only audited means findings."""
    assert verdict([SimpleNamespace(action=action) for action in actions]) is Verdict.parse(word)


def test_audit_mode_gives_3_only_with_fail_on_audit() -> None:
    """What would have been denied is recorded as audited, and counts as that."""
    run = sample.started(sample.run(policy=sample.policy(mode="audit")))
    secret = {"path": f"{sample.HOME}/.aws/credentials"}
    run.add(
        sample.acted(4121, sample.Act.FILE_READ, Action.AUDIT, secret, rule="read-secrets", would=Action.DENY)
    )
    run.ended(0, None, 0, {})

    assert sample.built(run)["run"]["pratique_status"] == 0
    assert sample.built(run, fail_on="audit")["run"]["pratique_status"] == 3
    assert sample.built(run)["findings"][0]["action"] == "audited"
    assert sample.built(run)["findings"][0]["would"] == "denied"


def test_a_lost_guard_is_125_and_incomplete() -> None:
    """When the guard broke in mid-run nothing the command returned counts."""
    found = sample.built(sample.refused(sample.started(sample.run())), guard_lost="the reader died")["run"]

    assert found["pratique_status"] == 125
    assert found["incomplete"] is True
