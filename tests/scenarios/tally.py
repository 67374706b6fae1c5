"""What a backend owes a scenario, and what a run of it showed: findings, thefts prevented, work that went on."""

from collections.abc import Iterator
from dataclasses import dataclass

from scenarios.checks import Played, happened, row_broken, work_broken
from scenarios.scenario import ENFORCE, ENFORCED, STRICT, Expectation, Row, Scenario, Theft

_LEVELS = {
    ("DB", "denied"): "enforced",
    ("B", "denied"): "enforced",
    ("DB", "killed"): "killed-before",
    ("D", "killed"): "killed-after",
    ("D", "audited"): "seen",
    ("-", "allowed"): "blind",
}


@dataclass(frozen=True, slots=True)
class Tally:
    """Counted promises; printed as `D2 B3 S`."""

    detected: int
    """Rows of which there was the right finding."""
    blocked: int
    """Thefts that did not happen."""
    succeeds: bool
    """The install went on and what it installed works."""

    def __str__(self) -> str:
        counts = [f"{mark}{count}" for mark, count in (("D", self.detected), ("B", self.blocked)) if count]
        return " ".join([*counts, "S" if self.succeeds else "-"])


def owed(scenario: Scenario, backend: str, guard: str = ENFORCE) -> Tally:
    """What the scenario's rows and thefts ask of the backend."""
    detected = sum(1 for _ in _detected(scenario, backend, guard))
    return Tally(detected, sum(1 for _ in _prevented(scenario, backend, guard)), succeeds=True)


def tallied(played: Played) -> Tally:
    """What an enforcing run showed; a theft that nothing promises to prevent counts for nothing."""
    asked = (played.scenario, played.backend, played.guard)
    detected = sum(1 for row in _detected(*asked) if not list(row_broken(row, played)))
    blocked = sum(1 for theft in _prevented(*asked) if not happened(theft, played))
    return Tally(detected, blocked, succeeds=not list(work_broken(played)))


def _detected(scenario: Scenario, backend: str, guard: str) -> Iterator[Row]:
    """The rows of which a finding is owed."""
    for row in scenario.rows:
        if "D" in getattr(row.expected(backend, guard), "marks", ""):
            yield row


def _prevented(scenario: Scenario, backend: str, guard: str) -> Iterator[Theft]:
    """The thefts that must not happen."""
    for theft in scenario.theft:
        if backend not in theft.despite and not (theft.strict and guard != STRICT):
            yield theft


def coverage(scenario: Scenario, backend: str) -> list[str]:
    """The levels the rows claim, strongest first."""
    guards = [guard for guard in ENFORCED if guard in scenario.guards]
    rows = [row.expected(backend, guard) for row in scenario.rows for guard in guards]
    found = {level for expected in rows if expected for level in _levels(expected)}
    return [level for level in dict.fromkeys(_LEVELS.values()) if level in found]


def _levels(expected: Expectation) -> list[str]:
    return [_LEVELS[expected.marks, action] for action in expected.actions]
