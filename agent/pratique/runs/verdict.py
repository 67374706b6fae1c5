"""What a run returns and what it is called (docs/policy.md section 6)."""

from collections.abc import Iterable
from typing import Protocol

from pratique.policy.model import Policy
from pratique.words import Action, Verdict

FOUND = 3
NO_GUARD = 125


class Judged(Protocol):
    """Anything that carries the action of a finding."""

    @property
    def action(self) -> Action:
        """What was done."""


def status(
    exit_status: int | None,
    signal: int | None,
    findings: Iterable[Judged],
    fail_on: str,
    incomplete: bool,
    policy: Policy,
) -> int:
    """Exit status of `pratique run`: the command's own unless that is 0 and something calls for 3.

    An end without status or signal means that the guard was lost: 125.
    """
    plain = wrapped_status(exit_status, signal, findings, fail_on)
    return FOUND if not plain and incomplete and policy.fail_on_incomplete else plain


def wrapped_status(
    exit_status: int | None, signal: int | None, findings: Iterable[Judged], fail_on: str
) -> int:
    """The same where nobody minds an incomplete run."""
    if signal is not None:
        return 128 + signal
    if exit_status is None:
        return NO_GUARD
    return exit_status or (FOUND if _fails(findings, fail_on) else 0)


def verdict(findings: Iterable[Judged]) -> Verdict:
    """Blocked if anything was denied or killed, findings if anything was audited, else clean."""
    worst = _worst(findings)
    if worst >= Action.DENY:
        return Verdict.BLOCKED
    return Verdict.FINDINGS if worst is Action.AUDIT else Verdict.CLEAN


def _fails(findings: Iterable[Judged], fail_on: str) -> bool:
    threshold = {"audit": Action.AUDIT, "deny": Action.DENY}.get(fail_on)
    return threshold is not None and _worst(findings) >= threshold


def _worst(findings: Iterable[Judged]) -> Action:
    return max((finding.action for finding in findings), default=Action.ALLOW)
