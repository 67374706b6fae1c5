"""What a backend owes a scenario, and what a run of it showed: findings, thefts prevented, work that went on."""

from dataclasses import dataclass

from scenarios.checks import Played, happened, row_broken, work_broken
from scenarios.scenario import Expectation, Scenario

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


def owed(scenario: Scenario, backend: str) -> Tally:
    """What the scenario's rows and thefts ask of the backend."""
    rows = [row.expected(backend) for row in scenario.rows]
    detected = sum(1 for expected in rows if expected and "D" in expected.marks)
    blocked = sum(1 for theft in scenario.theft if backend not in theft.despite)
    return Tally(detected, blocked, succeeds=True)


def tallied(played: Played) -> Tally:
    """What an enforcing run showed; a theft that nothing promises to prevent counts for nothing."""
    scenario, backend = played.scenario, played.backend
    rows = [row for row in scenario.rows if "D" in getattr(row.expected(backend), "marks", "")]
    detected = sum(1 for row in rows if not list(row_broken(row, played)))
    thefts = [theft for theft in scenario.theft if backend not in theft.despite]
    blocked = sum(1 for theft in thefts if not happened(theft, played))
    return Tally(detected, blocked, succeeds=not list(work_broken(played)))


def coverage(scenario: Scenario, backend: str) -> list[str]:
    """The levels the rows claim, strongest first."""
    rows = [row.expected(backend) for row in scenario.rows]
    found = {level for expected in rows if expected for level in _levels(expected)}
    return [level for level in dict.fromkeys(_LEVELS.values()) if level in found]


def _levels(expected: Expectation) -> list[str]:
    return [_LEVELS[expected.marks, action] for action in expected.actions]
