"""`pratique enroll`, `telemetry` and `uplink` as people and services use them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from collector_double import Collector
from pratique import cli
from pratique.model import Coverage
from pratique.runs import trace
from pratique.runs.report import Ending
from pratique.runs.store import ReportFile, Store
from pratique.telemetry import enrolling, handover, poke
from pratique.telemetry.place import Place
from unit import runs_sample as sample
from unit.test_telemetry_handover import CANARY, _leaky
from uplink_house import until

Asked = Callable[..., tuple[int, str, str]]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory of its own; no uplink is started by itself."""
    monkeypatch.setattr("pratique.host.state_dir", lambda: tmp_path)
    monkeypatch.setattr(poke, "_start", lambda _place: None)
    monkeypatch.delenv("PRATIQUE_TOKEN", raising=False)
    return tmp_path


@pytest.fixture
def asked(state: Path, capsys: pytest.CaptureFixture[str]) -> Asked:
    """Run a command line; status, standard output, standard error."""
    del state

    def ask(*words: str) -> tuple[int, str, str]:
        status = cli.main(words)
        said = capsys.readouterr()
        return status, said.out, said.err

    return ask


def test_one_command_enrols(asked: Asked, collector: Collector, state: Path) -> None:
    """Afterwards the host is known, its status can be asked, and joining twice is a mistake."""
    status, out, _ = asked("enroll", collector.url, "--token", collector.token())
    assert status == 0
    assert "enrolled as host-1 at 127.0.0.1" in out
    assert Place(state).enrolled()

    status, out, _ = asked("telemetry", "status")
    assert status == 0
    assert "waiting      0 batches, 0 bytes" in out

    status, _, err = asked("enroll", collector.url, "--token", collector.token())
    assert status == 2
    assert "enrolled already" in err
    assert asked("enroll", collector.url, "--token", collector.token(), "--force")[0] == 0


def test_the_token_may_come_from_the_environment(
    asked: Asked, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Command lines are seen by everybody on the host."""
    monkeypatch.setenv("PRATIQUE_TOKEN", collector.token())

    assert asked("enroll", collector.url)[0] == 0


def test_leaving_ends_it(asked: Asked, collector: Collector, state: Path) -> None:
    """Nothing leaves the host any more, and leaving twice is a mistake."""
    asked("enroll", collector.url, "--token", collector.token())

    assert asked("enroll", "--leave")[0] == 0
    assert not Place(state).enrolled()
    assert asked("enroll", "--leave")[0] == 2
    assert asked("telemetry", "status")[0] == 2
    assert asked("uplink")[0] == 2


@pytest.mark.parametrize(
    "words",
    [
        ("enroll",),
        ("enroll", "https://127.0.0.1:1"),
        ("enroll", "https://127.0.0.1:1", "--token", "pj1.wrong.one"),
        ("enroll", "ftp://127.0.0.1", "--token", "x"),
    ],
)
def test_mistakes_are_said(words: tuple[str, ...], asked: Asked, state: Path) -> None:
    """A wrong line is one line of error, and changes nothing."""
    status, _, err = asked(*words)

    assert status == 2
    assert err.startswith("pratique: ")
    assert list(state.iterdir()) == []


def test_missing_libraries_are_said(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base package has none of the libraries of the wire; the extra that brings them is named."""
    monkeypatch.setattr("pratique.cli.enroll.find_spec", lambda _name: None)
    status, _, err = asked("enroll", "https://127.0.0.1:1", "--token", "x")

    assert status == 2
    assert "pratique[uplink]" in err


def test_preview_shows_the_very_bytes_that_wait(asked: Asked, collector: Collector, state: Path) -> None:
    """What people read is what is sent: decoded from the spool, all of it, and without secrets."""
    asked("enroll", collector.url, "--token", collector.token())
    run = _leaky()
    handover.hand_over(Place(state), sample.built(run), run.recorded or ())
    _, out, err = asked("telemetry", "preview")
    batches = [json.loads(part + "\n}") for part in out.split("\n}\n") if part.strip()]

    assert err == ""
    assert out.isascii()
    assert CANARY not in out
    assert sum(len(batch["events"]) for batch in batches) == int(batches[0]["run"]["records"])
    assert {"kind": "act", "act": "file.write"}.items() <= next(
        event for batch in batches for event in batch["events"] if event.get("act") == "file.write"
    ).items()


def test_preview_of_a_trace_needs_no_enrolment(asked: Asked, tmp_path: Path) -> None:
    """Somebody who thinks about enrolling sees what would leave, event for event."""
    run = sample.refused(sample.started(sample.run(record=True)))
    file = ReportFile(tmp_path / "run.trace")
    coverage: tuple[Coverage, ...] = sample.COVERAGE
    trace.write(file, run, Ending(coverage=coverage))
    file.close()
    status, out, err = asked("telemetry", "preview", "--trace", str(tmp_path / "run.trace"))

    assert status == 0
    assert "not enrolled" in err
    assert '"path": "/home/dev/.aws/credentials"' in out


def test_preview_without_anything_waiting_shows_the_newest_run(asked: Asked, state: Path) -> None:
    """And says that the events are not there."""
    Store(state / "runs").save(sample.built())
    _, out, err = asked("telemetry", "preview")

    assert json.loads(out)["run"]["id"] == sample.built()["run"]["id"]
    assert "without its events" in err


def test_the_uplink_service_stops_when_told(collector: Collector, tmp_path: Path) -> None:
    """A service that is ended sends what it has in hand, says little, and returns 0."""
    program = (
        "import sys, pratique.host as host; from pathlib import Path;"
        "host.state_dir = lambda: Path(sys.argv[1]);"
        "from pratique.cli import main; sys.exit(main(sys.argv[2:]))"
    )
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"]}
    enrolling.enrol(Place(tmp_path), collector.url, collector.token())
    base = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen([*base, "uplink"], env=environment, stderr=subprocess.PIPE, text=True) as service:
        until(lambda: collector.hosts, 30)
        service.send_signal(signal.SIGTERM)
        _, err = service.communicate(timeout=60)

    assert service.returncode == 0
    assert "Traceback" not in err


_PROGRAM = """#!/bin/sh
exec > "$XDG_STATE_HOME/told.new" 3>&1
echo "$@"; env | sort; readlink /proc/$$/fd/0; readlink /proc/$$/fd/2; ps -o sid= -p $$
mv "$XDG_STATE_HOME/told.new" "$XDG_STATE_HOME/told"
"""


def test_a_started_uplink_belongs_to_nobodys_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a session of its own, nothing of the run's environment, and its output goes to its log."""
    program = tmp_path / "python"
    program.write_text(_PROGRAM)
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("NPM_TOKEN", CANARY)
    place = Place(tmp_path)
    place.make()

    poke.wake(place)
    until((tmp_path / "told").exists)
    told = (tmp_path / "told").read_text()

    assert told.startswith("-P -m pratique uplink --drain\n")
    assert CANARY not in told
    assert f"/dev/null\n{place.log}\n" in told
    assert int(told.split()[-1]) != os.getsid(0)
    assert place.log.stat().st_mode & 0o777 == 0o600
    os.waitpid(-1, 0)
