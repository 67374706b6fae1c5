"""Findings leave for other systems: in their shapes, in order, and none is missed while a sink is away."""

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber

from fleet import collectors, hosts
from fleet.samples import HOST, NOON, batch, finding
from pratique_server.errors import StoreError, UsageError
from pratique_server.exports import shapes
from pratique_server.exports.feed import Feed
from pratique_server.exports.sinks import Http, Syslog, sink
from pratique_server.store.enrolment import Certificate
from pratique_server.store.store import Store

ROW = {
    "number": 1, "id": "x-1", "rule": "secrets.read", "title": "Secret read", "severity": "high", "action": "denied",
    "stage": "build", "actor": "package", "act": "file.read", "target": "~/.aws\n::error", "time":
    "2026-11-23T12:00:00.000Z", "count": 2, "state": "open", "run": "r", "host": "h", "host_name": "dev 1",
    "package": "pkg:pypi/evil@1",
}  # fmt: skip
_NOBODY = {**ROW, "action": "audited", "package": None, "severity": "low", "host_name": "", "count": 0}
_HOSTILE = {
    **ROW,
    "action": "killed",
    "title": "\x00\n<b>",
    "target": "\u202e" * 500,
    "package": "pkg:npm/%00@\n",
}
ROWS = [ROW, _NOBODY, _HOSTILE]


class Receiver(HTTPServer):
    """A web server that keeps what it is sent, and refuses while told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[dict[str, Any], str, bytes]] = []
        self.status = 200
        self.url = f"http://127.0.0.1:{self.server_port}/in"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        """Keep it, or refuse."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            self.server.got.append((json.loads(body), self.headers.get("X-Pratique-Signature", ""), body))
        self.send_response(self.server.status)
        self.send_header("Location", "http://192.0.2.1/")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on loopback."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_webhook_misses_nothing(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Findings arrive signed; what came while the receiver was away follows, once."""
    monkeypatch.setenv("PRATIQUE_SERVER_SECRET", "s3cret")
    configured = collectors.config(tmp_path, sinks=(f"webhook={receiver.url}",))
    with (
        collectors.running(configured) as collector,
        hosts.connected(collector.enrol(), collector.address) as client,
    ):
        client.put(hosts.last(1, hosts.run_id(1)))
        _until(lambda: len(receiver.got) == 1)
        receiver.status = 503
        client.put(hosts.last(1, hosts.run_id(2)))
        time.sleep(1.5)
        receiver.status = 200
        _until(lambda: len(receiver.got) == 2)

    runs = [told["findings"][0]["run"] for told, _, _ in receiver.got]
    _, signature, body = receiver.got[0]
    assert runs == [hosts.run_id(1), hosts.run_id(2)]
    assert signature == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()


def test_a_feed_goes_on_where_it_was(store: Store) -> None:
    """After a restart a sink gets what came meanwhile; a new sink begins with what comes."""
    store.enrolment.make_token("00" * 32, "", "test", 60)
    store.enrolment.join("00" * 32, HOST, HOST, Certificate("1", NOON, NOON))
    store.writer.write([batch(1, findings=[finding(1)])])
    feed = Feed(store.engine, "one")
    assert feed.next() == []
    store.writer.write([batch(2, findings=[finding(2)])])
    assert [row["id"][-1] for row in feed.next()] == ["2"]
    feed.sent(feed.next())

    store.writer.write([batch(3, findings=[finding(3)])])
    again = Feed(store.engine, "one")

    assert feed.next() == again.next()
    assert [row["id"][-1] for row in again.next()] == ["3"]
    assert Feed(store.engine, "two").next() == []


def test_syslog_lines_cannot_be_forged() -> None:
    """Hostile text stays inside its message: no line break, a header of plain letters, a length before each."""
    line = shapes.syslog({**ROW, "host_name": "a\n<34>1 b"})

    assert b"\n" not in line
    assert line.startswith(b"<83>1 2026-11-23T12:00:00.000Z a<34>1b pratique-server - finding - {")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Syslog("127.0.0.1", listener.getsockname()[1]).send([ROW, ROW])
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as stream:
            data = stream.read()
    length, _, rest = data.partition(b" ")
    assert json.loads(rest[: int(length)].split(b" - finding - ", 1)[1])["rule"] == "secrets.read"


@pytest.mark.parametrize("row", ROWS)
def test_an_ocsf_finding_is_valid(row: dict[str, Any]) -> None:
    """By the schema that OCSF publishes for the class and its profiles; only what was refused says so."""
    told = shapes.ocsf(row)

    schemas = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=shapes.OCSF_VERSION))
    of_class = schemas.get_class_schema("detection_finding", profiles=told["metadata"]["profiles"])
    errors = Draft202012Validator(of_class).iter_errors(json.loads(json.dumps(told)))
    assert [f"{error.json_path} {error.message}" for error in errors] == []
    assert told["type_uid"] == told["class_uid"] * 100 + told["activity_id"]
    assert (told["disposition"] == "Blocked") == (row["action"] in ("denied", "killed"))
    assert told["time"] == 1_795_435_200_000


def test_an_otlp_request_is_one(receiver: Receiver) -> None:
    """What arrives is read by OpenTelemetry's own messages, where no field is unknown: a resource for each host."""
    sink(f"otlp={receiver.url}").send([*ROWS, {**ROW, "host": "other"}])

    request = ParseDict(receiver.got[0][0], ExportLogsServiceRequest())
    assert [len(each.scope_logs[0].log_records) for each in request.resource_logs] == [len(ROWS), 1]
    record = request.resource_logs[0].scope_logs[0].log_records[0]
    assert record.time_unix_nano == 1_795_435_200_000_000_000
    assert SeverityNumber.Name(record.severity_number) == "SEVERITY_NUMBER_ERROR"
    assert {each.key: each.value.int_value for each in record.attributes}["pratique.count"] == 2


def test_a_sink_that_is_away_says_so(receiver: Receiver) -> None:
    """Errors, redirects and silence are failures: the findings stay where they are."""
    for status in (500, 404, 302):
        receiver.status = status
        with pytest.raises(StoreError):
            sink(f"ocsf={receiver.url}").send([ROW])
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(StoreError):
            Syslog("127.0.0.1", unused.getsockname()[1]).send([ROW])
    assert receiver.got == []


@pytest.mark.parametrize(
    "said", ["", "webhook", "webhook=file:///etc/passwd", "syslog=host", "mail=x", "otlp=ftp://h/"]
)
def test_no_sink(said: str) -> None:
    """Only the sinks there are, only over HTTP."""
    with pytest.raises(UsageError):
        sink(said)
    assert isinstance(sink("webhook=https://hooks.example/x"), Http)
