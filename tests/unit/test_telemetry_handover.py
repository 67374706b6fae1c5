"""What a run hands over: everything the report says, nothing that is secret, and in batches that fit the wire."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.api import columns
from pratique.api.v1 import events_pb2, telemetry_pb2
from pratique.api.wire import (
    CUT_RECORDS,
    MOST_FINDINGS,
    MOST_INSTALLED,
    MOST_MESSAGE,
    MOST_PAYLOAD,
    PROTOCOL,
)
from pratique.cli import outcomes
from pratique.model import Event, Exec, Kind
from pratique.runs.run import Run, Settled
from pratique.telemetry import batches, handover, poke
from pratique.telemetry.place import Place
from pratique.telemetry.rows import Redactor, rows
from pratique.telemetry.spool import Rank, Reason, Spool
from pratique.words import Act, Action, Actor, Stage
from unit import runs_sample as sample

Request = telemetry_pb2.PutBatchRequest


def _sent(made: list[Any]) -> list[Request]:
    return [Request.FromString(each.message) for each in made]


def _events(requests: list[Request]) -> list[columns.Row]:
    return [
        row
        for request in requests
        if request.payload
        for row in columns.decode(request.payload, request.records, request.raw_size).rows()
    ]


def _recorded() -> Run:
    return sample.refused(sample.started(sample.run(record=True)))


@pytest.fixture
def requests() -> list[Request]:
    """What is sent of the sample run."""
    run = _recorded()
    return _sent(batches.of_run(sample.built(run), run.recorded or ()))


def test_the_report_travels_with_its_evidence(requests: list[Request]) -> None:
    """Verdict, findings and packages come first, with the acts they rest on, and never go for want of room."""
    run = _recorded()
    report = sample.built(run)
    head = requests[0]

    assert head.run.id == report["run"]["id"] == head.run_id
    assert head.run.verdict == 3
    assert [each.id for each in head.findings] == [each["id"] for each in report["findings"]]
    assert [each.purl for each in head.packages] == ["pkg:npm/left-padder@1.0.2"]
    assert list(head.packages[0].origins) == [1]
    assert batches.of_run(report, run.recorded or ())[0].rank is Rank.FINDINGS
    assert {row.path for row in _events([head])} >= {"/home/dev/.aws/credentials", "/home/dev/.bashrc"}


def test_a_finding_says_what_the_report_says(requests: list[Request]) -> None:
    """No field that a reviewer needs is lost on the way."""
    report = sample.built(_recorded())
    sent, told = requests[0].findings[0], report["findings"][0]

    assert (sent.rule, sent.title, sent.severity, sent.explain) == tuple(
        told[key] for key in ("rule", "title", "severity", "explain")
    )
    assert (sent.package, sent.allow, list(sent.techniques)) == (
        told["package"],
        told["allow"],
        told["techniques"],
    )
    assert (Act(sent.act).word, Action(sent.action), Stage(sent.stage).word) == (
        "file.read",
        Action.DENY,
        "script",
    )
    assert sent.target.path == told["target"]["path"]
    assert list(sent.process.argv) == told["process"]["argv"]
    assert [each.pid for each in sent.ancestry] == [each["pid"] for each in told["process"]["ancestry"]]
    assert sent.origin.reason == told["origin"]["reason"]


def test_the_summary_says_how_much_there_is(requests: list[Request]) -> None:
    """The collector knows when it has everything of a run, and what is missing."""
    run = requests[0].run

    assert run.batches == len(requests)
    assert run.records == sum(request.records for request in requests) == len(_events(requests))
    assert [request.seq for request in requests] == list(range(1, len(requests) + 1))
    assert {(request.protocol, request.run_id) for request in requests} == {(PROTOCOL, run.id)}
    assert all(request.first_us <= request.last_us for request in requests)


def test_an_exec_shows_what_it_was_settled_to(requests: list[Request]) -> None:
    """The event of a stopped process was taken before anybody knew whose code it is."""
    script = next(row for row in _events(requests) if row.argv == ("sh", "-c", "node setup.js"))

    assert (script.shape.actor, script.shape.stage, script.origin) == (Actor.PACKAGE, Stage.SCRIPT, 1)


def test_every_event_is_sent_once() -> None:
    """Acts and ordinary events are parted, not doubled or dropped."""
    run = _recorded()
    events = [item for item in run.recorded or () if isinstance(item, Event)]
    sent = _events(_sent(batches.of_run(sample.built(run), run.recorded or ())))

    assert sorted(row.time_us for row in sent) == sorted(round(event.time * 1e6) for event in events)


def _installing(count: int) -> dict[str, Any]:
    report = sample.built(_recorded())
    each = {
        "purl": "pkg:npm/%40scope/name@1.2.3",
        "identity": "verified",
        "digest": "sha512-" + "A" * 86 + "==",
    }
    report["installed"] = [{**each, "purl": f"pkg:npm/p{number}@1.0.0"} for number in range(count)]
    return report


def test_what_was_installed_travels_with_the_summary() -> None:
    """Who installed it is asked of packages whose code never ran, too."""
    run = _sent(batches.of_run(_installing(2), ()))[0].run

    assert [each.purl for each in run.installed] == ["pkg:npm/p0@1.0.0", "pkg:npm/p1@1.0.0"]
    assert run.installed[0].digest.startswith("sha512-")
    assert run.installed_omitted == 0


def test_what_does_not_fit_is_counted() -> None:
    """An install without end makes no message that nobody takes, and what is left out is said."""
    made = batches.of_run(_installing(30_000), ())
    run = _sent(made)[0].run

    assert len(made[0].message) < MOST_MESSAGE
    assert 0 < len(run.installed) <= MOST_INSTALLED
    assert len(run.installed) + run.installed_omitted == 30_000


def test_a_run_that_goes_on_is_told_again_behind_what_was_told() -> None:
    """A daemon reports a run whose processes live on twice: the second time adds batches, and repeats no number."""
    run = _recorded()
    report = sample.built(run)
    first = batches.of_run(report, run.recorded or ())
    records = sum(each.records for each in first)
    again = batches.of_run(report, (), batches.Sent(len(first), records))

    assert [each.seq for each in again] == [len(first) + 1]
    assert _sent(again)[0].run.batches == len(first) + 1
    assert _sent(again)[0].run.records == records


def test_a_long_run_is_cut() -> None:
    """Batches stay small, and findings never wait behind ordinary events."""
    run = sample.refused(sample.started(sample.run(record=True)))
    for number in range(3 * CUT_RECORDS):
        run.add(sample.event(Kind.FORK, 5000 + number, 4121, origin=1))
    made = batches.of_run(sample.built(run), run.recorded or ())

    assert [each.rank for each in made] == [Rank.FINDINGS] + [Rank.ORDINARY] * 4
    assert max(request.records for request in _sent(made)) <= CUT_RECORDS


def test_many_findings_are_cut() -> None:
    """A report full of findings does not make a message that nobody takes."""
    report = sample.built(_recorded())
    report["findings"] = report["findings"] * 600
    made = batches.of_run(report, ())

    assert {each.rank for each in made} == {Rank.FINDINGS}
    assert max(len(request.findings) for request in _sent(made)) <= MOST_FINDINGS
    assert max(len(each.message) for each in made) < MOST_MESSAGE
    assert sum(len(request.findings) for request in _sent(made)) == len(report["findings"])


def test_text_that_does_not_compress_is_cut() -> None:
    """A flood of random names cannot make a payload larger than the wire takes."""
    run = sample.started(sample.run(record=True))
    for number in range(3000):
        target = {"path": f"/tmp/{os.urandom(600).hex()}"}
        run.add(sample.acted(4121, Act.FILE_WRITE, Action.ALLOW, target, groups=("x",), time=2000.0 + number))
    run.ended(0, None, 0, {})
    requests = _sent(batches.of_run(sample.built(run), run.recorded or ()))

    assert all(len(request.payload) <= MOST_PAYLOAD for request in requests)
    assert len(_events(requests)) > 3000


CANARY = "kanarienvogel"
SECRET = f"ghp_{CANARY}{'A1b2C3d4' * 3}"


def _leaky() -> Run:
    """A run whose every hostile corner holds a secret."""
    environment = {"HOME": sample.HOME, "NPM_TOKEN": SECRET, "PASSWORD": CANARY}
    command = ["npm", "install", "--token", CANARY, f"https://user:{CANARY}@host.example/p?key={CANARY}"]
    run = sample.started(sample.run(record=True, environment=environment, command=command))
    argv = ("curl", "-u", f"me:{CANARY}", f"--password={CANARY}", f"API_KEY={CANARY}", f"Bearer {SECRET}")
    image = Exec("/usr/bin/curl", "/usr/bin/curl", argv, f"/tmp/{SECRET}", {"NPM_TOKEN": SECRET})
    run.add(sample.event(Kind.EXEC, 4130, 4121, origin=1, exec=image, act=Act.EXEC))
    url = f"https://{CANARY}:{CANARY}@sink.example/a?token={CANARY}#{CANARY}{CANARY}"
    for act, target in (
        (Act.FILE_WRITE, {"path": f"/tmp/{SECRET}", "to": url}),
        (Act.NET_DNS, {"name": f"{SECRET}.sink.example"}),
        (Act.NET_CONNECT, {"address": "203.0.113.9", "port": 443, "name": url}),
        (Act.EXEC, {"exe": f"/tmp/{SECRET}/x", "request": url, "odd": {"deep": [url, SECRET]}}),
    ):
        run.add(sample.acted(4130, act, Action.DENY, target, rule="read-secrets", groups=("secrets.aws",)))
    run.ended(0, None, 0, {})
    return run


def _spooled(folder: Path) -> bytes:
    """Every byte that lies in the spool, and every byte inside what is packed there."""
    held = b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    spool = Spool(folder / "telemetry" / "spool.db")
    for waiting in spool.waiting(set(), 1000, 1 << 30):
        request = Request.FromString(waiting.message)
        held += waiting.message + (zstandard.decompress(request.payload) if request.payload else b"")
    spool.close()
    return held


@pytest.fixture
def enrolled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A host that is enrolled, and whose uplink is never started."""
    place = Place(tmp_path)
    place.make()
    place.enrolment.write_text("{}")
    monkeypatch.setattr(poke, "_start", lambda _place: None)
    return place


def test_no_secret_reaches_the_spool(enrolled: Place) -> None:
    """Redaction is at the source: no byte of a secret lies in any file or message, packed or not."""
    run = _leaky()
    assert handover.hand_over(enrolled, sample.built(run), run.recorded or ()) is None

    held = _spooled(enrolled.state)

    assert CANARY.encode() not in held
    assert b"sink.example" in held, "what is no secret is there, so the search looks at the right bytes"
    assert b"/usr/bin/curl" in held


def test_the_canary_would_be_found(enrolled: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The positive control: without redaction of rows the very same search finds the secret."""
    monkeypatch.setattr("pratique.telemetry.rows.redact.path", lambda text: text)
    run = _leaky()
    handover.hand_over(enrolled, sample.built(run), run.recorded or ())

    assert CANARY.encode() in _spooled(enrolled.state)


def test_what_was_not_recorded_is_a_gap(enrolled: Place) -> None:
    """A recording has a bound; what came after it is counted, not forgotten."""
    run = _recorded()
    handover.hand_over(enrolled, sample.built(run), run.recorded or (), unrecorded=7)
    spool = Spool(enrolled.spool)

    assert [(gap.run, gap.reason, gap.records) for gap in spool.gaps(9)] == [(run.id, Reason.WRITE_FAILED, 7)]
    spool.close()


def test_the_recording_is_bounded() -> None:
    """A storm of events does not take the memory of the guard."""
    run = sample.refused(sample.started(sample.run(record=True, most_recorded=3)))

    assert len(run.recorded or ()) == 3
    assert run.unrecorded > 0


def test_a_spool_that_cannot_be_written_is_said(enrolled: Place) -> None:
    """Telemetry never fails a run; that it failed is said."""
    enrolled.spool.mkdir()
    run = _recorded()

    said = handover.hand_over(enrolled, sample.built(run), run.recorded or ())

    assert said is not None
    assert said.startswith("this run was not kept for the collector")


def test_nothing_is_kept_on_a_host_that_is_not_enrolled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without enrolment there is no spool, and no library of the wire is loaded."""
    monkeypatch.setattr("pratique.host.state_dir", lambda: tmp_path)

    outcomes._hand_over(None, {})  # type: ignore[arg-type]

    assert list(tmp_path.iterdir()) == []


def test_a_state_directory_that_cannot_be_looked_into_is_not_enrolled(
    enrolled: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run asks this before its command starts: it may not fail there."""

    def refuse(_path: Path) -> bool:
        raise PermissionError

    assert enrolled.enrolled()
    monkeypatch.setattr(Path, "exists", refuse)
    assert not enrolled.enrolled()


def test_a_defect_of_telemetry_does_not_change_a_run(
    enrolled: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The status and the report are the run's; the defect is one line."""
    monkeypatch.setattr("pratique.host.state_dir", lambda: enrolled.state)
    monkeypatch.setattr(batches, "of_run", lambda *_: 1 / 0)

    class Ended:
        run = _recorded()

    outcomes._hand_over(Ended(), sample.built(_recorded()))  # type: ignore[arg-type]

    assert "not kept for the collector: ZeroDivisionError" in capsys.readouterr().err


@pytest.fixture
def listening(enrolled: Place) -> Iterator[socket.socket]:
    """An uplink that listens and does nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        here = Path.cwd()
        os.chdir(enrolled.folder)
        line.bind(enrolled.socket.name)
        os.chdir(here)
        yield line


def test_a_running_uplink_is_poked_and_never_waited_for(enrolled: Place, listening: socket.socket) -> None:
    """However many runs end while the uplink is busy, none waits for it."""
    began = time.monotonic()

    assert all(poke.poke(enrolled) for _ in range(2000))
    assert time.monotonic() - began < 20
    assert listening.recv(10) == b"work"


def test_an_uplink_that_is_gone_is_noticed(enrolled: Place, listening: socket.socket) -> None:
    """The socket of a dead uplink takes no pokes: another one is started."""
    listening.close()

    assert poke.poke(enrolled) is False


def test_handing_over_loads_no_grpc() -> None:
    """The process that starts guarded commands never imports grpc: it must not survive a fork."""
    program = (
        "import pratique.telemetry.handover, pratique.cli.outcomes, sys, json;"
        "print(json.dumps([name for name in sys.modules if name.split('.')[0] == 'grpc']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        timeout=60,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert json.loads(done.stdout) == []


HOSTILE = st.one_of(
    st.text(max_size=60), st.binary(max_size=30).map(lambda b: b.decode("utf-8", "surrogateescape"))
)
VALUES = st.one_of(
    HOSTILE, st.integers(), st.none(), st.booleans(), st.lists(HOSTILE, max_size=3), st.floats()
)
EVENTS = st.builds(
    Event,
    time=st.floats(0, 4e9),
    kind=st.sampled_from(Kind),
    pid=st.integers(0, 2**22),
    ppid=st.integers(0, 2**22),
    run=st.just(7),
    origin=st.integers(0, 1000),
    stage=st.sampled_from(Stage),
    actor=st.sampled_from(Actor),
    act=st.none() | st.sampled_from(Act),
    action=st.sampled_from(Action),
    target=st.dictionaries(
        st.sampled_from(["path", "to", "port", "errno", "pid", "status", "name", "exe", "odd"]) | HOSTILE,
        VALUES,
        max_size=5,
    ),
    exec=st.none() | st.builds(Exec, HOSTILE, HOSTILE, st.lists(HOSTILE, max_size=6).map(tuple), HOSTILE),
    comm=HOSTILE,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=8))
def test_whatever_code_names_itself_can_be_sent(events: list[Event]) -> None:
    """Undecodable bytes, absurd numbers and odd types in targets never stop a run from being handed over."""
    given_rows = rows(events, Redactor())
    packed = columns.encode(given_rows)

    assert list(columns.decode(packed.payload, packed.records, packed.raw_size).rows()) == given_rows
    assert all(row.shape.kind in events_pb2.Kind.values() for row in given_rows)


def test_a_settlement_without_its_exec_is_nothing() -> None:
    """A cut recording may begin anywhere."""
    assert rows([Settled(1, Actor.PACKAGE, Stage.SCRIPT, 1, None)], Redactor()) == []
