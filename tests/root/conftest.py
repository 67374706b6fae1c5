"""Fixtures of the root tests; `PRATIQUE_MUST_RUN=1` (CI) turns every skip into a failure."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.chance import seed
from lab.demands import demand, guard_missing, lab_missing
from lab.world import World

_HARD_LIMIT = 90
_SCENARIOS = Path(__file__).parents[1] / "scenarios"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here as a root test with a hard time limit: a guard that hangs must not hang CI."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.root)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(_HARD_LIMIT, method="thread"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how to repeat this run."""
    terminalreporter.write_line(f"PRATIQUE_SEED={seed()}")


@pytest.fixture(scope="session")
def lab() -> None:
    """Build the laboratory here, or do without the test."""
    demand(lab_missing())


@pytest.fixture(scope="session")
def guard(lab: None) -> None:
    """Guard a command here with `pratique run`, or do without the test."""
    demand(guard_missing())


@pytest.fixture
def world(lab: None) -> Iterator[World]:
    """Surroundings with the benign `plain-text` and the hostile `poll-keeper` in the index."""
    with World(
        [_SCENARIOS / "T-build" / "plain-text-1.1.0", _SCENARIOS / "O28" / "poll-keeper-5.1.0"]
    ) as made:
        yield made
