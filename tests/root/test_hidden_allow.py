"""A hidden executable deep in a temporary directory: refused, explained, and allowed by what was printed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.guard import Outcome, guarded, run
from lab.world import World

_PACKAGE = Path(__file__).parent / "packages" / "hide-out-1.0.0"


@pytest.fixture(scope="module")
def hideout(guard: None) -> Iterator[World]:
    """A world with a package that hides two programs and runs them, and one that has no file at all."""
    with World([_PACKAGE]) as made:
        yield made


def _install(world: World, *options: str) -> tuple[Outcome, set[str]]:
    marks = world.folder / "marks"
    for mark in marks.iterdir():
        mark.unlink()
    report = world.folder / "report.json"
    report.unlink(missing_ok=True)
    command = guarded(world.install("-q", "--upgrade", "hide-out"), report, *options)
    outcome = run(command, world.environment(), world.folder, report)
    return outcome, {mark.name for mark in marks.iterdir()}


def _allow(outcome: Outcome, ending: str) -> str:
    (found,) = [item for item in outcome.findings if str(item["target"].get("exe")).endswith(ending)]
    assert found["action"] == "killed"
    return str(found["allow"])


def test_the_printed_stanza_lets_that_file_run_and_no_other(hideout: World) -> None:
    """Everything is killed; with the stanza of one file that file runs, its neighbour and the nameless do not."""
    outcome, ran = _install(hideout)
    stanza = _allow(outcome, "/.wanted")
    assert ran == set()
    assert f'exec = ["/tmp/hide-out-{hideout.token}/.wanted"]' in stanza

    policy = hideout.folder / "allow.toml"
    policy.write_text(stanza, encoding="utf-8")
    outcome, ran = _install(hideout, "--policy", str(policy))
    assert ran == {"wanted"}
    _allow(outcome, "/.other")


def test_what_has_no_name_says_that_no_allow_can_match(hideout: World) -> None:
    """A stanza that could never match would be a lie."""
    outcome, _ = _install(hideout)
    (found,) = [item for item in outcome.findings if "code.memfd" in item["groups"]]

    assert found["allow"].startswith("# no allow can match")
