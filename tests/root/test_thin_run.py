"""`pratique run` while the daemon is up: the same contract, and nothing weaker than the host's guard."""

import json
import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.daemon import Daemon, environment, hand_to_user, shed
from lab.guard import PRATIQUE, guarded
from lab.world import World

pytestmark = [pytest.mark.root, pytest.mark.timeout(120, method="thread")]

_SCENARIOS = Path(__file__).parents[1] / "scenarios"


@pytest.fixture
def world(lab: None) -> Iterator[World]:
    """An index with a thief."""
    with World([_SCENARIOS / "O01" / "token-tidy-3.7.2"]) as made:
        yield made


@pytest.fixture
def daemon(guard: None, world: World) -> Iterator[Daemon]:
    """A daemon that guards the made-up user."""
    with Daemon(world) as running:
        yield running


def _run(
    world: World, daemon: Daemon, command: list[str], *, user: bool = False
) -> subprocess.CompletedProcess[str]:
    place = world.folder if user else Path("/")
    hand_to_user(world)
    return subprocess.run(
        shed(command) if user else command,
        env={**environment(world), **daemon.environment()},
        cwd=place,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_wrapped_install_is_the_daemon_s(world: World, daemon: Daemon) -> None:
    """Status 3, the report where it was asked for, the secret at home, and the run known to the daemon."""
    file = world.folder / "report.json"
    done = _run(world, daemon, guarded(world.install("token-tidy"), file))

    assert done.returncode == 3, done.stderr
    assert "token-tidy@3.7.2" in done.stderr
    report = json.loads(file.read_text())
    assert {found["package"] for found in report["findings"]} == {"pkg:pypi/token-tidy@3.7.2"}
    assert report["run"]["pratique_status"] == 3
    assert daemon.report()["run"]["id"] == report["run"]["id"]
    assert world.leaks() == []


@pytest.mark.parametrize(("command", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9)])
def test_the_status_is_the_command_s(world: World, daemon: Daemon, command: str, status: int) -> None:
    """As without a daemon."""
    assert _run(world, daemon, guarded(["sh", "-c", command])).returncode == status
    assert _run(world, daemon, guarded(["/no/such/command"])).returncode == 127


@pytest.mark.parametrize(
    "options", [["--profile", "observe"], ["--mode", "audit"], ["--backend", "lsm"], ["--profile", "strict"]]
)
def test_other_terms_are_refused(world: World, daemon: Daemon, options: list[str]) -> None:
    """125, nothing started, and a mend."""
    witness = world.folder / "ran"
    done = _run(world, daemon, guarded(["touch", str(witness)], None, *options))

    assert done.returncode == 125, done.stderr
    assert not witness.exists()


def test_nobody_gets_another_s_process_into_a_run(world: World, daemon: Daemon) -> None:
    """Only a child of who asks."""
    from pratique.daemon import client

    with pytest.raises(client.RefusedError, match="child"):
        client.ask("run", daemon.socket, pid=1, argv=["x"], mode="enforce")
    assert daemon.status()["runs"] == []


def test_a_run_in_a_run_adds_nothing(world: World, daemon: Daemon) -> None:
    """The inner one says so and only executes."""
    done = _run(world, daemon, guarded(guarded(["sh", "-c", "exit 5"])))

    assert done.returncode == 5, done.stderr
    assert "already guarded" in done.stderr


def test_start_up_is_short(world: World, daemon: Daemon) -> None:
    """Bounded, also where others use the machine."""
    added = []
    for _ in range(5):
        began = time.monotonic()
        done = subprocess.run(
            [PRATIQUE, "run", "--", "date", "+%s.%N"],
            env={**os.environ, **daemon.environment()}, capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
        began_wall = time.time() - (time.monotonic() - began)
        added.append(float(done.stdout) - began_wall)
    assert statistics.median(added) < 3.0, sorted(added)  # `make bench-daemon` measures it
