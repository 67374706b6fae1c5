"""Hosts of the manager: shown in the report with their reason, and no right of package code."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lab.guard import Outcome, guarded, run
from lab.world import World

_PACKAGE = Path(__file__).parent / "packages" / "same-way-1.0.0"


@pytest.fixture
def shore(lab: None) -> Iterator[World]:
    """Surroundings whose index has `same-way`: its build asks that very index for something."""
    with World([_PACKAGE]) as made:
        yield made


def _pip(world: World, *, guard: bool) -> Outcome:
    report = world.folder / "report.json"
    command = world.install("same-way")
    environment = {**world.environment(), "INDEX": urlsplit(world.index.url).netloc}
    return run(
        guarded(command, report) if guard else command, environment, world.folder, report if guard else None
    )


def test_package_code_may_ask_the_index_without_the_guard(shore: World) -> None:
    """The control: nothing else hinders a build that connects to the index."""
    _pip(shore, guard=False)

    assert (shore.folder / "marks" / "asked").read_text() == "connected"


def test_pip_s_index_is_no_right_of_a_build(guard: None, shore: World) -> None:
    """It is in the report as pip's, pip reached it, and the build was refused the same address and port."""
    outcome = _pip(shore, guard=True)

    assert outcome.report is not None
    assert outcome.report["run"]["hosts"] == [{"host": shore.index.host, "reason": "an index"}]
    reached = {(each["actor"], each["action"]) for each in outcome.report["egress"]}
    assert {("manager", "allowed"), ("package", "denied")} <= reached
    assert (shore.folder / "marks" / "asked").read_text() == "EPERM"
