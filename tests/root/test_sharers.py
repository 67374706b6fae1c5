"""Processes with one table of descriptors: killing the one that opens leaves the other with what it opened."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.guard import Outcome, guarded, run
from lab.world import World

_PACKAGE = Path(__file__).parent / "packages" / "two-hands-1.0.0"


@pytest.fixture
def pair(lab: None) -> Iterator[World]:
    """Surroundings whose index has `two-hands`: one process of its build opens, another writes."""
    with World([_PACKAGE]) as made:
        yield made


def _installed(world: World, *, guard: bool) -> Outcome:
    report = world.folder / "report.json"
    command = world.install("two-hands")
    return run(
        guarded(command, report) if guard else command,
        world.environment(),
        world.folder,
        report if guard else None,
    )


def test_without_the_guard_the_other_hand_writes(pair: World) -> None:
    """The control: the place is written by a process that never opened it, and that lives on."""
    outcome = _installed(pair, guard=False)

    assert outcome.status == 0, outcome.err
    assert f"planted {pair.token}" in pair.home.path("~/.gitconfig").read_text()
    assert (pair.folder / "marks" / "survived").exists()


def test_both_hands_die(guard: None, pair: World) -> None:
    """The kill reaches the whole origin, and the finding does not claim that it came before the act."""
    outcome = _installed(pair, guard=True)

    (finding,) = [one for one in outcome.findings if one["action"] == "killed"]
    assert (pair.folder / "marks" / "sharing").exists()
    assert not (pair.folder / "marks" / "survived").exists()
    assert finding["package"] == "pkg:pypi/two-hands@1.0.0"
    assert finding["level"] == "killed-after"
    assert outcome.survivors == ()
