"""The README's tour: a collector, two hosts; an attack on one is seen, blocked, and refused on the other."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from fleet.served import Served
from lab.daemon import Daemon, as_user, hand_to_user
from lab.guard import PRATIQUE, guarded, run
from lab.world import World
from pratique.telemetry.link import Enrolment
from pratique.telemetry.place import Place

pytestmark = [pytest.mark.root, pytest.mark.timeout(150, method="thread")]

_THIEF = Path(__file__).parents[1] / "scenarios" / "O01" / "token-tidy-3.7.2"
_HONEST = Path(__file__).parents[1] / "scenarios" / "T-build" / "plain-text-1.1.0"
_PURL = "pkg:pypi/token-tidy@3.7.2"
_PLACE = Place(Path("/var/lib/pratique"))
_SERVER = PRATIQUE.with_name("pratique-server")
_LIMIT = 60
_IN_FORCE = 5
"""Seconds after which a block binds every agent that listens: what docs/collector.md promises."""


def _say(*words: object, env: dict[str, str] | None = None) -> str:
    command = [str(word) for word in words]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=_LIMIT, env={**os.environ, **(env or {})}
    )
    return done.stdout


class _Fleet:
    """The collector, asked as a program would, with a token that the command line made."""

    def __init__(self, folder: Path) -> None:
        self.served = Served(folder)
        secret = _say(_SERVER, "user", "token", "admin", "--data", folder).strip()
        headers = {"Authorization": f"Bearer {secret}"}
        self.client = httpx.Client(base_url=f"{self.served.web}/api/v1", headers=headers, timeout=20)

    def enrol(self, token: str, **env: str) -> None:
        """Let a host in."""
        port = self.served.enrolment.rsplit(":", 1)[1]
        _say(PRATIQUE, "enroll", f"https://localhost:{port}", "--token", token, env=env)

    def until(self, path: str, good: Callable[[Any], bool], seconds: float) -> tuple[Any, float]:
        """The first good answer, and how long it took."""
        began = time.monotonic()
        while True:
            answer = self.client.get(path)
            if answer.status_code == httpx.codes.OK and good(answer.json()):
                return answer.json(), time.monotonic() - began
            assert time.monotonic() - began < seconds, (path, answer.text[:500])
            time.sleep(0.05)


@pytest.fixture
def fleet(guard: None, tmp_path: Path) -> Iterator[_Fleet]:
    """A collector at its first start, and this machine enrolled with the line it printed: the build server."""
    if _PLACE.folder.exists():
        pytest.fail(f"{_PLACE.folder} exists: this host is enrolled, or a test left it behind")
    made = _Fleet(tmp_path)
    try:
        made.enrol(made.served.said["pratique"])
        yield made
    finally:
        made.client.close()
        subprocess.run([PRATIQUE, "enroll", "--leave"], capture_output=True, timeout=_LIMIT, check=False)
        _end_uplinks()
        shutil.rmtree(_PLACE.folder, ignore_errors=True)
        shutil.rmtree(_PLACE.pushed, ignore_errors=True)
        made.served.stop()


def _end_uplinks() -> None:
    """Uplinks that these hosts' runs started: by command line, and only those of this interpreter's folder."""
    for each in psutil.process_iter(["cmdline"]):
        words = each.info["cmdline"] or []
        if "uplink" in words and words[0].startswith(str(PRATIQUE.parent)):
            each.terminate()


def test_the_tour(fleet: _Fleet) -> None:
    """Enrol two hosts, guard an install, see it, block the package, see the next one refused on the other host."""
    with World([_THIEF, _HONEST]) as world:
        report = world.folder / "report.json"
        first = run(guarded(world.install("token-tidy"), report), world.environment(), world.folder, report)
        assert first.report is not None
        seen, _ = fleet.until(f"/runs/{first.report['run']['id']}", lambda _: True, _LIMIT)
        assert (seen["verdict"], seen["packages"][0]["purl"]) == ("blocked", _PURL)

        with Daemon(world) as laptop:
            token = _say(_SERVER, "token", "create", "--data", fleet.served.folder).split()[-1]
            fleet.enrol(token, **laptop.environment())
            _refused_on(laptop, fleet, world)


def _states(known: Any) -> dict[str, str]:
    """Of each host, by its id."""
    return {row["id"]: row["state"] for row in known["hosts"]}


def _refused_on(laptop: Daemon, fleet: _Fleet, world: World) -> None:
    """Block while the laptop's uplink listens; what installs there next is refused before its first instruction."""
    hand_to_user(world)
    line = subprocess.Popen([PRATIQUE, "uplink"], env={**os.environ, **laptop.environment()})
    try:
        assert as_user(world, world.install("plain-text")).status == 0
        done = laptop.settled()
        told, _ = fleet.until(f"/runs/{done[0]['id']}", lambda run: bool(run["packages"]), _LIMIT)
        assert told["verdict"] == "clean"
        lain = fleet.client.get("/blast-radius", params={"purl": "pkg:pypi/plain-text@1.1.0"}).json()
        assert lain["totals"]["hosts"] == 1

        given = {"purl": _PURL, "reason": "it steals credentials"}
        assert fleet.client.post("/blocks", json=given).status_code == httpx.codes.CREATED
        me = Enrolment.load(Place(Path(laptop.environment()["PRATIQUE_STATE_DIR"]))).host_id
        known, _ = fleet.until("/progress/blocks", lambda told: _states(told)[me] == "applied", _IN_FORCE)
        # The build server has no uplink that stays, but its last run's may still listen.
        assert {*_states(known).values()} <= {"applied", "pending"}
        assert len(known["hosts"]) == 2
        answer = as_user(world, world.install("token-tidy"))
        laptop.settled(2)
        refused = laptop.report()
        run_id = refused["run"]["id"]
        there, _ = fleet.until(f"/runs/{run_id}", lambda run: bool(run["findings"]), _LIMIT)
    finally:
        line.send_signal(signal.SIGTERM)
        line.wait(_LIMIT)
    assert answer.status != 0
    assert {found["rule"] for found in refused["findings"]} == {"package.blocked"}
    assert f"by {_PURL}, build, rule package.blocked" in laptop.log
    assert (there["verdict"], there["packages"][0]["purl"]) == ("blocked", _PURL)
    hosts = fleet.client.get("/blast-radius", params={"purl": _PURL}).json()["totals"]["hosts"]
    assert hosts == 2
