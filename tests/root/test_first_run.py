"""The first run of what an install wrote, outside any run: labelled before its first open returns."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.daemon import Daemon, as_user, environment, hand_to_user, user_venv
from lab.guard import PRATIQUE, Outcome, guarded
from lab.world import World
from pratique.backends.base import FreshOpened
from pratique.backends.hooks.fresh import Fresh
from pratique.daemon import client

pytestmark = [pytest.mark.root, pytest.mark.timeout(120, method="thread")]

_PACKAGES = Path(__file__).parent / "daemon_packages"
_THIEF = "pkg:pypi/late-riser@1.0.0"
_CALM = "pkg:pypi/calm-sea@1.0.0"
_ROW = ("file.read", "secrets.npm", "first-run")


@pytest.fixture
def world(lab: None) -> Iterator[World]:
    """An index with a package that steals when it is imported, and an honest one."""
    with World(
        [_PACKAGES / name for name in ("late-riser-0.9.0", "late-riser-1.0.0", "calm-sea-1.0.0")]
    ) as made:
        yield made


@pytest.fixture
def daemon(guard: None, world: World) -> Iterator[Daemon]:
    """A daemon that guards the made-up user."""
    with Daemon(world) as running:
        yield running


def _install(world: World, *names: str) -> None:
    hand_to_user(world)
    done = as_user(world, world.install(*names))
    assert done.status == 0, done.err


def _python(world: World, code: str) -> Outcome:
    return as_user(world, [str(user_venv() / "bin" / "python"), "-c", code], {"PYTHONPATH": str(world.site)})


def _rows(report: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (found["act"], found["groups"][0], found["stage"]) for found in report["findings"] if found["groups"]
    }


def test_without_a_daemon_the_import_steals(world: World) -> None:
    """The positive control."""
    _install(world, "late-riser")
    _python(world, "import late_riser")
    assert "~/.npmrc" in world.leaks()


@pytest.mark.parametrize("times", [1, 3])
def test_an_import_is_a_first_run(world: World, daemon: Daemon, times: int) -> None:
    """The first import and, from byte code only, the later ones: the secret stays, the package is named."""
    _install(world, "late-riser")
    daemon.settled()
    for _ in range(times):
        done = _python(world, "import late_riser; print('went on')")
        assert done.out == "went on\n", done.err
    daemon.settled(1 + times)
    report = daemon.report()

    assert world.leaks() == [], daemon.log
    assert _ROW in _rows(report), report["findings"]
    assert {found["package"] for found in report["findings"]} == {_THIEF}
    assert report["run"]["verdict"] == "blocked"
    (read,) = [found for found in report["findings"] if found["act"] == "file.read"]
    assert read["source"] == {
        "file": str(world.site / "late_riser.py"),
        "line": 6,
        "function": "<module>",
        "quality": "exact",
    }


def test_what_the_kernel_refuses_is_looked_at(guard: None, lab: None) -> None:
    """A connect is answered at once: the line at which the package is seen a moment after is said to be that."""
    with World([_PACKAGES / "deep-call-1.0.0"], metadata=True) as world, Daemon(world) as daemon:
        _install(world, "deep-call")
        daemon.settled()
        for times in range(2, 5):  # a stack that cannot be read within 0.3 s on a busy machine is not read
            _python(world, "import deep_call")
            daemon.settled(times)
            (found,) = [each for each in daemon.report()["findings"] if each["act"] == "net.connect"]
            if found["source"] is not None:
                break

        assert found["action"] == "denied"
        assert found["source"] == {
            "file": str(world.site / "deep_call.py"),
            "line": 9,
            "function": "call",
            "quality": "sampled",
        }, daemon.log


def test_right_after_the_install(world: World, daemon: Daemon) -> None:
    """`pip install X && python -c 'import X'` leaves no gap to slip through: the interpreter's start waits."""
    world.site.mkdir()
    hand_to_user(world)
    words = " ".join(world.install("late-riser"))
    done = as_user(world, ["sh", "-c", f"{words} && PYTHONPATH={world.site} python -c 'import late_riser'"])

    assert done.status == 0, done.err
    assert world.leaks() == [], daemon.log
    daemon.settled(2)
    assert _ROW in _rows(daemon.report())


def test_a_wrapped_command_runs_it_no_freer(world: World, daemon: Daemon) -> None:
    """Under `pratique run` the command is trusted until it runs fresh code."""
    _install(world, "late-riser")
    daemon.settled()
    command = [str(user_venv() / "bin" / "python"), "-c", "import late_riser"]
    more = {"PYTHONPATH": str(world.site), **daemon.environment()}
    environment_ = {**environment(world), **more}
    done = subprocess.run(guarded(command), env=environment_, capture_output=True, timeout=60, check=False)

    assert world.leaks() == []
    assert done.returncode == 3, done.stderr
    assert _ROW in _rows(daemon.report())


def test_several_packages_are_candidates(world: World, daemon: Daemon) -> None:
    """Labels are per process: with two fresh packages in one, none is named and both are listed."""
    _install(world, "late-riser", "calm-sea")
    daemon.settled()
    _python(world, "import calm_sea, late_riser")
    daemon.settled(2)
    (found,) = [each for each in daemon.report()["findings"] if each["act"] == "file.read"]

    assert world.leaks() == []
    assert found["package"] is None
    assert set(found["candidates"]) == {_THIEF, "pkg:pypi/calm-sea@1.0.0"}


def test_after_an_upgrade_the_new_version_is_named(world: World, daemon: Daemon) -> None:
    """Both were fresh and lay in the same place, one after the other: only what is there now can act."""
    _install(world, "late-riser==0.9.0")
    done = as_user(world, [*world.install("late-riser==1.0.0"), "--upgrade"])
    assert done.status == 0, done.err
    daemon.settled(2)
    _python(world, "import late_riser")
    daemon.settled(3)

    assert world.leaks() == []
    assert {found["package"] for found in daemon.report()["findings"]} == {_THIEF}


def test_what_a_package_may_is_in_force_before_it_is_asked(lab: None) -> None:
    """An SDK reads its credentials right after its import: it waits until the main loop has granted them."""
    label: Any = SimpleNamespace(origin=7)
    fresh = Fresh(lambda pid: label if pid == 1 else None, lambda *_: 1, lambda _: True, lambda: None)
    try:
        fresh._tell(FreshOpened("began", 1, 1, 7, ("pkg:pypi/x@1",), "/x.py"))
        fresh.granted(7)
        assert fresh.is_ungranted(1)  # the grant was for what had been opened before
        assert not fresh.is_ungranted(2)
        assert len(fresh.opened()) == 1
        fresh.granted(7)
        assert not fresh.is_ungranted(1)
    finally:
        fresh.stop()


def test_an_honest_first_run_is_clean(world: World, daemon: Daemon) -> None:
    """The twin; and what only reads fresh files begins no run."""
    _install(world, "calm-sea")
    daemon.settled()
    read = as_user(world, ["cat", *map(str, world.site.glob("calm_sea*.py"))])
    done = _python(world, "import calm_sea; print(calm_sea.VALUE)")

    assert read.out
    assert done.out == "1\n"
    ended = daemon.settled(2)
    assert [run["verdict"] for run in ended] == ["clean", "clean"]


def test_approved_and_forgotten(world: World, daemon: Daemon) -> None:
    """Approved, it runs as anything does; forgotten, it is fresh again."""
    _install(world, "late-riser")
    daemon.settled()

    def told(verb: str) -> int:
        environment = {**os.environ, **daemon.environment()}
        return subprocess.run([PRATIQUE, verb, _THIEF], env=environment, timeout=30, check=False).returncode

    assert told("forget") == 0
    _python(world, "import late_riser")
    assert world.leaks() == []
    assert told("approve") == 0
    time.sleep(0.2)
    _python(world, "import late_riser")
    assert "~/.npmrc" in world.leaks()


def test_fresh_survives_a_restart(world: World, daemon: Daemon) -> None:
    """What was installed under one daemon is fresh under the next."""
    _install(world, "late-riser")
    daemon.settled()
    daemon.end(signal.SIGTERM)
    daemon.start()
    _python(world, "import late_riser")

    assert world.leaks() == [], daemon.log


def test_a_blocked_package_ends_at_its_first_run(world: World, daemon: Daemon) -> None:
    """Put in force while the daemon runs, by name or by content, it wins over an approval; a neighbour goes on."""
    _install(world, "calm-sea", "late-riser")
    daemon.settled()
    client.ask("approve", daemon.socket, purl=_CALM)
    digest = client.ask("report", daemon.socket)["report"]["installed"][0]["digest"]
    assert _python(world, "import calm_sea; print('went on')").out == "went on\n"

    pushed = daemon.folder / "state" / "collector"
    pushed.mkdir()
    for named in (f'package = "{_CALM}"', f'digest = "{digest}"'):
        (pushed / "90-blocks.toml").write_text(f'[[block]]\n{named}\nreason = "it turned"\n')
        client.ask("reload", daemon.socket)
        done = _python(world, "import calm_sea, time; time.sleep(5); print('went on')")
        assert (done.status, done.out) == (-signal.SIGKILL, ""), (named, daemon.log)
    assert _python(world, "print('went on')").out == "went on\n"
    report = daemon.report(next(run["id"] for run in daemon.settled(3) if run["findings"]))

    (found,) = [each for each in report["findings"] if each["rule"] == "package.blocked"]
    assert _CALM in (found["package"], *found["candidates"])
    (pushed / "90-blocks.toml").write_text("")
    client.ask("reload", daemon.socket)
    assert _python(world, "import calm_sea; print('went on')").out == "went on\n"
