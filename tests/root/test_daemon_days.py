"""Bad days of the daemon: killed, stopped, restarted, doubled, damaged. Nothing runs free, others go on."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lab.daemon import USER, Daemon, as_user, environment, hand_to_user, shed, until
from lab.guard import PRATIQUE
from lab.residue import left_since, snapshot
from lab.world import World

pytestmark = [pytest.mark.root, pytest.mark.timeout(120, method="thread")]

_HERE = Path(__file__).parent
_SCENARIOS = _HERE.parent / "scenarios"
_UNSHARE = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--"]


@pytest.fixture
def world(lab: None) -> Iterator[World]:
    """An index with a thief, an honest package, and one that steals for as long as it is let."""
    sources = [
        _SCENARIOS / "O01" / "token-tidy-3.7.2",
        _SCENARIOS / "T-build" / "plain-text-1.1.0",
        _HERE / "daemon_packages" / "tide-wait-1.0.0",
    ]
    with World(sources) as made:
        yield made


class _Install:
    """An install of `tide-wait` as the made-up user, under way."""

    def __init__(self, world: World) -> None:
        self.marks = Path(world.words()["MARKS"])
        hand_to_user(world)
        self.process = subprocess.Popen(
            shed(world.install("tide-wait")), env=environment(world), cwd=world.folder,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        assert until((self.marks / "started").exists, 20)

    def __enter__(self) -> "_Install":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def go(self) -> int:
        """Let the package end; the install's status."""
        (self.marks / "go").touch()
        return self.process.wait(20)


def _cat(world: World) -> float:
    """How long root's own read of a marked secret takes."""
    began = time.monotonic()
    subprocess.run(
        ["cat", str(world.home.path("~/.npmrc"))], check=True, stdout=subprocess.DEVNULL, timeout=20
    )
    return time.monotonic() - began


def test_restart_in_mid_install(guard: None, world: World) -> None:
    """The install goes on, nothing is let through in between, and the next daemon reports it with its package."""
    with Daemon(world) as daemon, _Install(world) as install:
        assert until(lambda: daemon.status()["runs"], 10)
        before = daemon.status()["runs"][0]["id"]
        assert daemon.end(signal.SIGTERM) == 0
        time.sleep(1)
        assert world.leaks() == []
        assert install.process.poll() is None
        seconds = daemon.start()
        assert install.go() == 0
        daemon.settled()
        report = daemon.report()

        assert report["run"]["id"] == before
        assert {found["package"] for found in report["findings"]} == {"pkg:pypi/tide-wait@1.0.0"}
        assert world.leaks() == []
        assert seconds < 5  # under a shared test machine; the promise itself is measured in docs/daemon.md


def test_two_daemons_have_one_report(guard: None, world: World) -> None:
    """Of a run that one handed to the other: what each saw, from the start of the first to the end of the later."""
    with Daemon(world) as daemon, _Install(world) as install:
        assert until(lambda: len(daemon.status()["recent"]) > 1, 10)
        daemon.end(signal.SIGTERM)
        between = time.time()
        daemon.start()
        assert install.go() == 0
        daemon.settled()
        report = daemon.report()
    read, *asked = sorted(report["findings"], key=lambda found: str(found["act"]))
    times = [datetime.fromisoformat(report["run"][key]).timestamp() for key in ("started", "ended")]

    assert world.leaks() == []
    assert {found["target"].get("port") for found in asked} >= {8000, 8443}, report["findings"]
    assert (read["act"], read["count"] > 1) == ("file.read", True)
    assert len({found["id"] for found in report["findings"]}) == len(report["findings"])
    assert times[0] < between < times[1]
    assert (report["run"]["exit_status"], report["run"]["verdict"]) == (0, "blocked")
    assert [package["purl"] for package in report["packages"]] == ["pkg:pypi/tide-wait@1.0.0"]
    assert not [note for note in report["run"]["notes"] if "not in this report" in note]
    pids = [node["pid"] for node in report["tree"]]
    assert len(pids) == len(set(pids)) == report["counts"]["processes"]


def test_what_ends_between_two_daemons_has_a_report(guard: None, world: World) -> None:
    """Also where nothing is left that tells of its end: what the first one knew, and that it is not all."""
    with Daemon(world) as daemon, _Install(world) as install:
        assert until(lambda: daemon.status()["recent"], 10)
        before = daemon.status()["runs"][0]["id"]
        assert daemon.end(signal.SIGTERM) == 0
        os.killpg(install.process.pid, signal.SIGKILL)
        install.process.wait()
        assert until(lambda: not daemon.labelled(), 10)
        daemon.lose_records()
        daemon.start()
        (run,) = daemon.settled()
        report = daemon.report()

    assert (run["id"], run["verdict"]) == (before, "blocked")
    assert report["run"]["id"] == before
    assert {found["package"] for found in report["findings"]} == {"pkg:pypi/tide-wait@1.0.0"}
    assert [note for note in report["run"]["notes"] if "handed over" in note]


def test_killed_in_mid_install(guard: None, world: World) -> None:
    """Kill -9: the tree is dead, others read on within a second, new installs wait for the next daemon."""
    with Daemon(world) as daemon, _Install(world) as install:
        assert daemon.process is not None
        daemon.process.kill()
        assert _cat(world) < 1
        assert until(lambda: install.process.poll() is not None, 5)
        daemon.process.wait()
        waiting = subprocess.Popen(
            shed(world.install("token-tidy")), env=environment(world), cwd=world.folder,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(2)
        assert waiting.poll() is None
        daemon.start()
        assert waiting.wait(30) == 0
        assert daemon.settled()[0]["verdict"] == "blocked"
    assert world.leaks() == []


def test_stopped_in_mid_install(guard: None, world: World) -> None:
    """SIGSTOP: the guardian ends the daemon and the tree in bounded time; others read on."""
    with Daemon(world) as daemon, _Install(world) as install:
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGSTOP)
        assert until(lambda: install.process.poll() is not None, 12)
        assert _cat(world) < 1
        assert daemon.process.wait(5) == -signal.SIGKILL
    assert world.leaks() == []


def test_nothing_stays_after_the_end(guard: None, world: World) -> None:
    """SIGINT ends guard and guarded, and leaves no program, pin, mount or process."""
    before = snapshot()
    with Daemon(world) as daemon, _Install(world) as install:
        assert daemon.end(signal.SIGINT) == 0
        assert until(lambda: install.process.poll() is not None, 5)
        assert left_since(before) == []
    hand_to_user(world)
    assert as_user(world, world.install("token-tidy")).status == 0
    assert "~/.npmrc" in world.leaks()  # the control: now nobody guards


def test_a_second_daemon_does_not_start(guard: None, world: World) -> None:
    """It says so, and the first goes on."""
    with Daemon(world) as daemon:
        second = daemon.second()
        assert second.returncode == 2
        assert "runs already" in second.stderr
        assert daemon.status()["daemon"]


def test_damaged_state_is_set_aside(guard: None, world: World) -> None:
    """A damaged file costs the past, not the guard."""
    with Daemon(world) as daemon:
        daemon.end(signal.SIGINT)
        (daemon.folder / "state" / "daemon.db").write_bytes(b"nonsense" * 4096)
        for extra in daemon.folder.glob("state/daemon.db-*"):
            extra.unlink()
        daemon.start()
        assert "set aside" in daemon.log
        as_user(world, world.install("token-tidy"))
        assert daemon.settled()[0]["verdict"] == "blocked"
    assert world.leaks() == []


def test_a_broken_policy_is_refused(guard: None, world: World) -> None:
    """The old one stays in force, and whoever pushed it learns why; a good one takes over."""
    with Daemon(world) as daemon:
        pushed = daemon.folder / "state" / "collector"
        pushed.mkdir()
        (pushed / "bad.toml").write_text("profil = 'observe'\n")
        said = _reload(daemon)
        assert said.returncode == 1
        assert "bad.toml:1" in said.stderr
        as_user(world, world.install("token-tidy"))
        assert daemon.settled()[0]["verdict"] == "blocked"
        assert world.leaks() == []

        (pushed / "bad.toml").write_text("profile = 'observe'\n")
        assert _reload(daemon).returncode == 0, daemon.log
        as_user(world, world.install("token-tidy"))
        assert daemon.settled(2)[0]["verdict"] == "findings"
    assert "~/.npmrc" in world.leaks()


def _reload(daemon: Daemon) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PRATIQUE, "policy", "reload"], env={**os.environ, **daemon.environment()},
        capture_output=True, text=True, timeout=40, check=False,
    )  # fmt: skip


def test_only_its_user_sees_a_run(guard: None, world: World) -> None:
    """Another user gets neither run nor report; a guarded process gets no answer at all."""
    ask = (
        "import socket,struct,sys,json; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "q=json.dumps({'v':1,'ask':sys.argv[2]}).encode(); s.sendall(struct.pack('!I',len(q))+q);"
        "f=s.makefile('rb'); n=struct.unpack('!I',f.read(4))[0]; print(f.read(n).decode())"
    )
    with Daemon(world) as daemon:
        as_user(world, world.install("token-tidy"))
        daemon.settled()

        def asked(user: int, what: str) -> dict[str, Any]:
            command = ["setpriv", f"--reuid={user}", "--clear-groups", "/usr/bin/python3", "-c", ask]
            done = subprocess.run(
                [*command, str(daemon.socket), what], capture_output=True, text=True, timeout=20, check=True
            )
            answer: dict[str, Any] = json.loads(done.stdout)
            return answer

        assert len(asked(USER, "status")["ended"]) == 1
        assert asked(USER, "report")["report"]["run"]["verdict"] == "blocked"
        assert asked(USER + 1, "status")["ended"] == []
        assert not asked(USER + 1, "report")["ok"]
        assert not asked(USER, "reload")["ok"]


def test_a_container_is_guarded(guard: None, world: World) -> None:
    """In a mount and pid namespace of its own an install is found and guarded all the same."""
    with Daemon(world) as daemon:
        hand_to_user(world)
        subprocess.run(
            [*_UNSHARE, *shed(world.install("token-tidy"))], env=environment(world), cwd=world.folder,
            capture_output=True, timeout=60, check=True,
        )  # fmt: skip
        assert daemon.settled()[0]["verdict"] == "blocked", daemon.log
        report = daemon.report()
        assert {found["package"] for found in report["findings"]} == {"pkg:pypi/token-tidy@3.7.2"}
    assert world.leaks() == []


def test_ten_installs_at_once(guard: None, world: World) -> None:
    """Each has its own run and its own report; nothing is lost."""
    with Daemon(world) as daemon:
        hand_to_user(world)
        names = ["token-tidy", "plain-text"] * 5
        commands = [
            [*world.install(name), "--target", str(world.folder / f"site{number}")]
            for number, name in enumerate(names)
        ]
        started = [
            subprocess.Popen(
                shed(command),
                env=environment(world),
                cwd=world.folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for command in commands
        ]
        assert [each.wait(90) for each in started] == [0] * 10
        ended = daemon.settled(10, 30)
        assert sorted(run["verdict"] for run in ended) == ["blocked"] * 5 + ["clean"] * 5
        assert daemon.status()["daemon"]["lost"] == 0
    assert world.leaks() == []
