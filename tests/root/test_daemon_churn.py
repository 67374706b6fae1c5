"""Long lives of the daemon, compressed: many runs leave nothing behind in it; a full disk; turned off and removed."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.daemon import Daemon, as_user, environment, hand_to_user, shed, until, user_venv
from lab.guard import PRATIQUE
from lab.world import World
from pratique.backends.pins import Kept

_HERE = Path(__file__).parent
_ROUNDS = int(os.environ.get("PRATIQUE_CHURN_ROUNDS", "8"))

pytestmark = [pytest.mark.root, pytest.mark.timeout(200 + 6 * _ROUNDS, method="thread")]
_MAPS = ("labels", "origins", "allows4", "allows6", "allowed", "allowed_paths")


@pytest.fixture
def world(lab: None) -> Iterator[World]:
    """An index with a thief, and a package that behaves."""
    sources = [
        _HERE.parent / "scenarios" / "O01" / "token-tidy-3.7.2",
        _HERE / "daemon_packages" / "calm-sea-1.0.0",
    ]
    with World(sources) as made:
        yield made


class _Size:
    """What the daemon holds at one moment."""

    def __init__(self, daemon: Daemon) -> None:
        assert daemon.process is not None
        pid = daemon.process.pid
        self.descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        (line,) = [line for line in status if line.startswith("VmRSS:")]
        self.megabytes = int(line.split()[1]) / 1024
        (whole,) = (daemon.folder / "run" / "bpf").glob("*/whole")
        kept = Kept(whole.parent)
        self.entries = {name: len(list(kept.map(name))) for name in _MAPS}
        kept.close()


def _round(world: World, number: int) -> None:
    site = str(world.folder / f"site{number % 3}")
    for name in ("calm-sea", "token-tidy"):
        as_user(world, [*world.install(name), "--target", site, "--upgrade"])
    as_user(world, [str(user_venv() / "bin" / "python"), "-c", "import calm_sea"], {"PYTHONPATH": site})


def _have_ended(daemon: Daemon, runs: int) -> bool:
    status = daemon.status()
    return status["daemon"]["ended_runs"] >= runs and not status["runs"]


def test_many_runs_leave_nothing(guard: None, world: World) -> None:
    """Descriptors, memory and map entries are flat (PRATIQUE_CHURN_ROUNDS=300 is the quarter of an hour)."""
    hand_to_user(world)
    with Daemon(world) as daemon:
        for number in range(3):
            _round(world, number)
        assert until(lambda: _have_ended(daemon, 9), 15)
        before = _Size(daemon)
        for number in range(_ROUNDS):
            _round(world, number)
        assert until(lambda: _have_ended(daemon, 9 + 3 * _ROUNDS), 30), daemon.status()["daemon"]
        after = _Size(daemon)

        assert after.descriptors <= before.descriptors + 2
        assert after.megabytes < before.megabytes + 10
        assert after.entries == dict.fromkeys(_MAPS, 0)
        assert daemon.status()["daemon"]["lost"] == 0
    assert world.leaks() == []


def test_a_full_disk_costs_reports_only(guard: None, world: World) -> None:
    """Refusals go on, and the daemon says what it could not keep."""
    with Daemon(world) as daemon:
        state = daemon.folder / "state"
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(state)], check=True, timeout=10
        )
        try:
            (state / "runs").mkdir(mode=0o700)
            with pytest.raises(OSError, match="space"):
                (state / "ballast").write_bytes(b"x" * (1 << 20))
            hand_to_user(world)
            as_user(world, world.install("token-tidy"))
            assert world.leaks() == []
            assert daemon.status()["daemon"]["pid"]
            assert until(lambda: "cannot be kept" in daemon.log, 10)
        finally:
            subprocess.run(["umount", "-l", str(state)], check=True, timeout=10)


def _pratique(daemon: Daemon, *words: str, world: World | None = None) -> subprocess.CompletedProcess[str]:
    held = environment(world) if world else dict(os.environ)
    return subprocess.run(
        [PRATIQUE, *words],
        env={**held, **daemon.environment()}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_off_is_recorded_and_for_few(guard: None, world: World) -> None:
    """Root runs something unguarded: it steals, which is the point, and the journal has it."""
    with Daemon(world) as daemon:
        hand_to_user(world)
        done = _pratique(daemon, "off", "--", *shed(world.install("token-tidy")), world=world)
        assert done.returncode == 0, done.stderr
        assert "~/.npmrc" in world.leaks()
        assert "off: pid" in daemon.log
        assert daemon.settled()[0]["verdict"] == "clean"
        as_user(world, world.install("token-tidy"))
        assert daemon.settled(2)[0]["verdict"] == "blocked"


def test_uninstall_lets_go(guard: None, world: World) -> None:
    """Daemon, pins and runtime folder are gone; the reports stay unless purged."""
    with Daemon(world) as daemon:
        done = _pratique(daemon, "uninstall")
        assert done.returncode == 0, done.stderr
        assert daemon.process is not None
        assert daemon.process.wait(20) == 0
        assert not (daemon.folder / "run").exists()
        assert (daemon.folder / "state").exists()
        assert _pratique(daemon, "uninstall", "--purge").returncode == 0
        assert not (daemon.folder / "state").exists()
        daemon.process = None


def test_status_and_top_show_it(guard: None, world: World) -> None:
    """For people: who is guarded, what ended, what was found."""
    with Daemon(world) as daemon:
        hand_to_user(world)
        as_user(world, world.install("token-tidy"))
        daemon.settled()
        status = _pratique(daemon, "status").stdout
        assert "guards users 61234" in status
        assert "blocked" in status
        assert "pkg:pypi/token-tidy@3.7.2" in status
        assert "token-tidy" in _pratique(daemon, "top", "--times", "1").stdout
