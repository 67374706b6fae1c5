"""With the daemon up, installs that nobody wrapped are guarded, whoever starts them and however."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.daemon import Daemon, as_user, hand_to_user, until
from lab.guard import Outcome
from lab.world import World

pytestmark = [pytest.mark.root, pytest.mark.timeout(120, method="thread")]

_SCENARIOS = Path(__file__).parents[1] / "scenarios"
_REPLICAS = [_SCENARIOS / "O01" / "token-tidy-3.7.2", _SCENARIOS / "T-build" / "plain-text-1.1.0"]
_CULPRIT = "pkg:pypi/token-tidy@3.7.2"
_UNSHARE = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--"]


@pytest.fixture
def world(lab: None) -> Iterator[World]:
    """An index with a thief and an honest package."""
    with World(_REPLICAS) as made:
        yield made


@pytest.fixture
def daemon(guard: None, world: World) -> Iterator[Daemon]:
    """A daemon that guards the made-up user."""
    with Daemon(world) as running:
        yield running


def _install(world: World, how: str, package: str) -> Outcome:
    words = " ".join(world.install(package))
    makefile = world.folder / "Makefile"
    makefile.write_text(f"it:\n\t{words}\n")
    (world.folder / "package.json").write_text(json.dumps({"scripts": {"setup": words}}))
    hand_to_user(world)
    ways = {
        "shell": ["sh", "-c", words],
        "make": ["make", "it"],
        "npm run": ["npm", "run", "setup"],
        "module": ["python", "-m", *world.install(package)],
    }
    return as_user(world, ways[how])


def test_without_a_daemon_the_thief_succeeds(world: World) -> None:
    """The positive control: unguarded, the token leaves the house."""
    hand_to_user(world)
    assert as_user(world, world.install("token-tidy")).status == 0
    assert "~/.npmrc" in world.leaks()


@pytest.mark.parametrize("how", ["shell", "module", "make", "npm run"])
def test_an_install_nobody_wrapped_is_guarded(world: World, daemon: Daemon, how: str) -> None:
    """However it is started: the token stays, and the report of the run names the package and its user."""
    done = _install(world, how, "token-tidy")

    assert world.leaks() == [], done.err
    daemon.settled()
    report = daemon.report()
    assert {found["package"] for found in report["findings"]} == {_CULPRIT}, daemon.log
    assert {found["act"] for found in report["findings"]} >= {"file.read", "net.connect"}
    assert report["run"]["verdict"] == "blocked"
    assert report["run"]["exit_status"] == done.status == 0
    assert report["run"]["user"] == "61234"


def test_the_honest_package_installs(world: World, daemon: Daemon) -> None:
    """The twin: nothing is found, and it is there afterwards."""
    done = _install(world, "shell", "plain-text")

    assert done.status == 0, done.err
    assert list(world.site.glob("plain_text*"))
    (run,) = daemon.settled()
    assert run["verdict"] == "clean", daemon.log


def test_other_users_are_left_alone(world: World, daemon: Daemon) -> None:
    """Outside the scope nothing is guarded: that is what makes a daemon safe to try."""
    from lab.guard import run

    run(world.install("token-tidy"), world.environment(), world.folder)

    assert "~/.npmrc" in world.leaks()
    assert daemon.status()["ended"] == daemon.status()["runs"] == []


def test_the_report_says_what_was_covered(world: World, daemon: Daemon) -> None:
    """Rows of their own, proved without a static layer: less than for a wrapped run, and said so."""
    assert until(lambda: daemon.status()["daemon"]["coverage_rows"], 60), daemon.log
    _install(world, "shell", "plain-text")
    daemon.settled()
    rows = daemon.report()["coverage"]
    levels = {(row["act"], row["when"]): row["level"] for row in rows}

    assert all(when.startswith("daemon-found: ") for _, when in levels)
    assert levels["file.read", "daemon-found: a listed secret"] == "enforced"
    assert "enforced" not in {level for (act, _), level in levels.items() if act == "kernel.bpf"}
