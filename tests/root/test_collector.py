"""From nothing to a guarded install in the query API: a collector, an enrolled host, one run."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from fleet.served import Served
from lab.guard import PRATIQUE, guarded, run
from lab.world import World
from pratique.telemetry.place import Place

_PACKAGE = Path(__file__).parent / "packages" / "loose-lips-1.0.0"
_PLACE = Place(Path("/var/lib/pratique"))
_SERVER = PRATIQUE.with_name("pratique-server")
_SECONDS = 2.0
_LIMIT = 60


def _say(*words: object) -> str:
    command = [str(word) for word in words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=_LIMIT).stdout


@pytest.fixture(scope="module")
def collector(guard: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A collector at its first start, and this host enrolled with the line it printed."""
    if _PLACE.folder.exists():
        pytest.fail(f"{_PLACE.folder} exists: this host is enrolled, or a test left it behind")
    served = Served(tmp_path_factory.mktemp("collector"))
    port = served.enrolment.rsplit(":", 1)[1]
    try:
        _say(PRATIQUE, "enroll", f"https://localhost:{port}", "--token", served.said["pratique"])
        yield served
    finally:
        subprocess.run([PRATIQUE, "enroll", "--leave"], capture_output=True, timeout=_LIMIT, check=False)
        _end_uplinks()
        shutil.rmtree(_PLACE.folder, ignore_errors=True)
        served.stop()


def _end_uplinks() -> None:
    """Uplinks that this host's runs started: by command line, and only those of this interpreter's folder."""
    for each in psutil.process_iter(["cmdline", "exe"]):
        words = each.info["cmdline"] or []
        if "uplink" in words and words[0].startswith(str(PRATIQUE.parent)):
            each.terminate()


class _Api:
    """The query API, asked with a token made by the command line."""

    def __init__(self, served: Served) -> None:
        secret = _say(_SERVER, "user", "token", "admin", "--data", served.folder).strip()
        self._client = httpx.Client(
            base_url=f"{served.web}/api/v1", headers={"Authorization": f"Bearer {secret}"}, timeout=20
        )

    def get(self, path: str, **query: Any) -> Any:
        """The answer as data."""
        answer = self._client.get(path, params=query)
        return answer.json() if answer.status_code == httpx.codes.OK else None

    def until(self, path: str, seconds: float) -> tuple[Any, float]:
        """The first good answer, and how long it took to come."""
        began = time.monotonic()
        while (answer := self.get(path)) is None:
            assert time.monotonic() - began < seconds, f"{path} did not come within {seconds} s"
            time.sleep(0.02)
        return answer, time.monotonic() - began

    def close(self) -> None:
        """Hang up."""
        self._client.close()


def test_a_guarded_install_is_in_the_api_within_two_seconds(collector: Served) -> None:
    """With package, stage and verdict; and blast radius names this host."""
    api = _Api(collector)
    with World([_PACKAGE]) as world:
        report = world.folder / "report.json"
        outcome = run(guarded(world.install("loose-lips"), report), world.environment(), world.folder, report)
    assert outcome.report is not None

    seen, waited = api.until(f"/runs/{outcome.report['run']['id']}", _SECONDS)

    assert waited < _SECONDS
    assert seen["verdict"] == outcome.report["run"]["verdict"] == "blocked"
    assert [package["purl"] for package in seen["packages"]] == ["pkg:pypi/loose-lips@1.0.0"]
    assert seen["packages"][0]["stages"] == ["build"]
    findings = api.get("/findings", run=seen["id"])["items"]
    assert {each["id"] for each in findings} == {each["id"] for each in outcome.report["findings"]}
    assert {each["stage"] for each in findings} == {"build"}
    blast = api.get("/blast-radius", purl="pkg:pypi/loose-lips@1.0.0")
    assert blast["totals"]["hosts"] == 1
    events = api.get(f"/runs/{seen['id']}/events")["events"]
    assert any(event["kind"] == "exec" for event in events)
    api.close()
