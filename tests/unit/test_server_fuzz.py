"""Bytes from the wire, as hostile hosts would make them: refused in words, or stored; nothing else may happen."""

import hashlib
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import zstandard
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet import hosts
from fuzz import examples
from pratique.api import columns, wire
from pratique.api.v1 import events_pb2, telemetry_pb2
from pratique_server.config import address
from pratique_server.errors import MalformedError, RefusedError, UsageError
from pratique_server.ingest import identity, reading
from pratique_server.ingest.telemetry import _facts
from pratique_server.pki.authority import Authority, open_authority
from pratique_server.store import purls
from pratique_server.store.enrolment import Certificate
from pratique_server.store.records import Outcome
from pratique_server.store.store import Store, open_all

GOOD = hosts.last(1, events=20).SerializeToString()
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
NUMBERS = st.integers(0, (1 << 64) - 1)
SIGNED = st.integers(-(1 << 63), (1 << 63) - 1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that one host may write to."""
    folder = tmp_path_factory.mktemp("fuzz")
    with closing(open_all(f"sqlite:///{folder / 'index.db'}", f"days:{folder / 'segments'}")) as opened:
        opened.enrolment.make_token("00" * 32, "", "test", 60)
        opened.enrolment.join("00" * 32, "host", "host", Certificate("1", 0, 0))
    return opened


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority to ask for certificates."""
    return open_authority(tmp_path_factory.mktemp("pki"), "pratique.internal")


def _taken(store: Store, request: telemetry_pb2.PutBatchRequest) -> None:
    """Refused in words, or stored like any other."""
    try:
        batch = reading.batch(request, "host", 1)
    except MalformedError:
        return
    assert store.writer.write([batch])[0] in Outcome


@pytest.mark.wire("batch")
@settings(max_examples=examples(100), deadline=None)
@given(st.data())
def test_flipped_bytes(store: Store, data: st.DataObject) -> None:
    """A good batch with some of its bytes changed."""
    changed = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        request = telemetry_pb2.PutBatchRequest.FromString(bytes(changed))
    except DecodeError:
        return
    _taken(store, request)


def _accepts(reader: Any, message: events_pb2.Columns, records: int) -> bool:
    raw = message.SerializeToString()
    payload = zstandard.ZstdCompressor().compress(raw)
    try:
        reader(payload, records, len(raw))
    except wire.WireError:
        return False
    return True


@pytest.mark.wire("columns")
@settings(max_examples=examples(100), deadline=None)
@given(st.data())
def test_what_is_stored_can_be_read(data: st.DataObject) -> None:
    """The check at the door and the reader agree on every payload: nothing is stored that cannot be read later."""
    message, records = events_pb2.Columns.FromString(RAW), 20
    for _ in range(data.draw(st.integers(0, 3))):
        name = data.draw(st.sampled_from(COLUMNS))
        column = getattr(message, name)
        value = data.draw(st.sampled_from([0, 1, 5, 200, 300, 70_000, (1 << 31) - 1]))
        match data.draw(st.sampled_from(["append", "drop", "set", "clear", "fill"])):
            case "append":
                column.append(value)
            case "drop" if column:
                del column[-1]
            case "set" if column:
                column[data.draw(st.integers(0, len(column) - 1))] = value
            case "clear":
                message.ClearField(name)
            case "fill":
                message.ClearField(name)
                column.extend([value] * records)
    if data.draw(st.booleans()):
        message.ClearField(data.draw(st.sampled_from(["text", "shapes"])))
    records = data.draw(st.sampled_from([20, 20, 20, 19, 21]))

    assert _accepts(columns.check, message, records) == _accepts(columns.decode, message, records)


@pytest.mark.wire("batch")
@settings(max_examples=examples(100), deadline=None)
@given(payload=st.binary(max_size=400), records=st.integers(0, 9_000), size=st.integers(0, 1 << 25))
def test_any_payload(store: Store, payload: bytes, records: int, size: int) -> None:
    """Payloads that are no payloads, also inside a good frame."""
    framed = zstandard.ZstdCompressor().compress(payload)
    for given_bytes, claimed in ((payload, size), (framed, len(payload))):
        request = hosts.batch(1, payload=given_bytes, records=records, raw_size=claimed, events=1)
        _taken(store, request)


@pytest.mark.wire("batch")
@settings(max_examples=examples(100), deadline=None)
@given(
    texts=st.lists(TEXT, min_size=9, max_size=9),
    numbers=st.lists(NUMBERS, min_size=5, max_size=5),
    when=SIGNED,
)
def test_any_envelope(store: Store, texts: list[str], numbers: list[int], when: int) -> None:
    """Texts and numbers of any kind in the open part: summary, findings, packages, gaps."""
    request = hosts.last(1, events=2)
    run = hosts.run_id(int.from_bytes(hashlib.sha256(repr((texts, numbers)).encode()).digest()[:7]))
    request.run_id = request.run.id = run
    request.first_us = request.run.started_us = request.findings[0].time_us = when
    request.run.user, request.run.cwd, request.run.manager = texts[:3]
    request.run.lost_events, request.findings[0].count, request.packages[0].events = numbers[:3]
    request.findings[0].rule, request.findings[0].target.path, request.findings[0].package = texts[3:6]
    request.packages[0].purl, request.run.egress[0].name = texts[6:8]
    request.run.egress[0].count = numbers[3]
    request.gaps.add(id=texts[8], records=numbers[4], since_us=when)

    _taken(store, request)


@pytest.mark.wire("state of a host")
@settings(max_examples=examples(100), deadline=None)
@given(name=TEXT, observed=SIGNED, spool=NUMBERS, act=st.integers(-5, 500))
def test_any_state_of_a_host(store: Store, name: str, observed: int, spool: int, act: int) -> None:
    """What a host says of itself is kept, whatever it says."""
    told = telemetry_pb2.Host(name=name, observed_us=observed, spool_bytes=spool, versions={"pratique": name})
    told.coverage.add(act=act, level=act, when=name, reason=name)  # type: ignore[arg-type]

    store.enrolment.tell("host", _facts(told, 1), [])


@pytest.mark.wire("certificate of a host")
@settings(max_examples=examples(100), deadline=None)
@given(st.binary(max_size=600))
def test_any_certificate(data: bytes) -> None:
    """A certificate that is none names nobody."""
    pem = b"-----BEGIN CERTIFICATE-----\n" + data + b"\n-----END CERTIFICATE-----\n"
    for shown in (data, pem):
        with pytest.raises(RefusedError):
            identity.read(shown, "pratique.internal")


@pytest.mark.wire("certificate request")
@settings(max_examples=examples(100), deadline=None)
@given(data=st.data())
def test_any_certificate_request(authority: Authority, data: st.DataObject) -> None:
    """A request that was tampered with gives no certificate, or one for the key that signed it."""
    good = bytearray(REQUEST)
    good[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(MalformedError):
        assert authority.for_host(bytes(good), "spiffe://pratique.internal/host/a").chain


@pytest.mark.wire("package URL")
@settings(max_examples=examples(100), deadline=None)
@given(st.text(max_size=80))
def test_any_package_url(text: str) -> None:
    """Splitting never fails, and loses nothing of the name."""
    name, version = purls.split(text)
    assert text.startswith(name)
    assert version in text


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_address(text: str) -> None:
    """An address is read or refused."""
    try:
        read = address(text)
    except UsageError:
        return
    assert 0 <= read.port < 1 << 16


def test_the_samples_are_good(store: Store, tmp_path: Path) -> None:
    """The checks above are not blind: the untouched batch is stored."""
    request = telemetry_pb2.PutBatchRequest.FromString(GOOD)

    assert reading.batch(request, "host", 1).segment.events == 20
    assert request.protocol == wire.PROTOCOL
    assert tmp_path.exists()


RAW = zstandard.ZstdDecompressor().decompress(columns.encode(hosts.rows(20)).payload)
COLUMNS = [
    each.name for each in events_pb2.Columns.DESCRIPTOR.fields
    if each.is_repeated and each.name not in ("text", "shapes")
]  # fmt: skip
REQUEST = hosts.request_of(hosts.ec.generate_private_key(hosts.ec.SECP256R1()))
