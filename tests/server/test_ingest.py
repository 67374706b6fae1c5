"""The wire, end to end: enrol, send, be acknowledged, be told; and everything that must be refused."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import zstandard
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Table, func, select

from fleet import collectors, hosts
from fleet.collectors import Running
from pratique.api import wire
from pratique.api.names import DOMAIN, host_uri
from pratique.api.v1 import control_pb2, health_pb2, telemetry_pb2
from pratique_server.errors import MalformedError, RefusedError, StoreError
from pratique_server.ingest.identity import Gate
from pratique_server.pki.authority import Authority, open_authority
from pratique_server.store import schema

STORED, REFUSED = telemetry_pb2.RECEIPT_STORED, telemetry_pb2.RECEIPT_REFUSED


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Running]:
    """A collector with a fresh store."""
    with collectors.running(collectors.config(tmp_path)) as running:
        yield running


@pytest.fixture
def host(collector: Running) -> hosts.Credentials:
    """A host that is in."""
    return collector.enrol()


@pytest.fixture
def client(collector: Running, host: hosts.Credentials) -> Iterator[hosts.Client]:
    """The services as that host sees them."""
    with hosts.connected(host, collector.address) as connected:
        yield connected


def _rows(collector: Running, table: Table) -> list[dict[str, Any]]:
    with collector.store.engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def _status(work: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        work()
    return caught.value.code(), caught.value.details()


def test_what_is_acknowledged_is_stored(collector: Running, client: hosts.Client) -> None:
    """A batch is acknowledged once it is stored; a resend is a duplicate; other content is refused."""
    first, second = hosts.batch(1), hosts.last(2)

    answers = [client.put(first), client.put(second), client.put(first)]

    assert [(answer.receipt, answer.duplicate) for answer in answers] == [
        (STORED, False), (STORED, False), (STORED, True),
    ]  # fmt: skip
    run = _rows(collector, schema.runs)[0]
    assert (run["verdict"], run["manager"], run["events"], run["findings"]) == ("blocked", "pip", 100, 1)
    segment = _rows(collector, schema.segments)[0]
    assert collector.store.segments.get(segment["location"], segment["digest"]) == first.payload
    assert client.put(hosts.batch(1, events=3)).receipt == REFUSED
    found = _rows(collector, schema.findings)[0]
    assert (found["act"], found["action"], found["stage"]) == ("file.read", "denied", "build")
    package = _rows(collector, schema.run_packages)[0]
    assert (package["net"], package["refused"], package["identity"]) == (2, 1, "verified")
    seen = {(row["kind"], row["value"]) for row in _rows(collector, schema.observables)}
    assert {("address", "203.0.113.9"), ("name", "sink.example"), ("path", "~/.aws/credentials")} <= seen


def test_no_host_speaks_for_another(collector: Running, client: hosts.Client) -> None:
    """The host is the certificate's, whatever a message says; the same run id of another host is another run."""
    other = collector.enrol("other")
    client.put(hosts.last(1))

    with hosts.connected(other, collector.address) as impostor:
        answer = impostor.put(hosts.last(1))

    assert answer.receipt == STORED
    assert not answer.duplicate
    assert {row["host"] for row in _rows(collector, schema.runs)} == {1, 2}


MALFORMED = {
    "no ulid": {"run_id": "../../etc/passwd"},
    "no number": {"seq": 0},
    "a number too far": {"seq": 1 << 60},
    "an unknown codec": {"codec": 7},
    "more records than there are": {"records": 51},
    "no zstd": {"payload": b"\x00" * 50},
    "another size": {"raw_size": 5},
    "too large when unpacked": {"raw_size": wire.MOST_RAW + 1},
    "bytes of no records": {"records": 0},
    "too many gaps": {"gaps": [telemetry_pb2.Gap()] * (wire.MOST_FINDINGS + 1)},
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_batches_are_refused_for_good(what: str, collector: Running, client: hosts.Client) -> None:
    """What can never be stored is told so, once, and leaves no row; the next good batch goes on."""
    answer = client.put(hosts.batch(1, **MALFORMED[what]))

    assert answer.receipt == REFUSED
    assert answer.reason
    assert _rows(collector, schema.segments) == []
    assert client.put(hosts.batch(1)).receipt == STORED


def test_a_bomb_is_not_unpacked(client: hosts.Client) -> None:
    """A few bytes that would unpack to gigabytes are refused by what their header says, or fails to say."""
    large = zstandard.ZstdCompressor(level=19).compress(b"\0" * (64 << 20))
    stream = zstandard.ZstdCompressor(level=19, write_content_size=False).compressobj()
    silent = stream.compress(b"\0" * (64 << 20)) + stream.flush()
    began = time.monotonic()

    for payload, claimed in ((large, 64 << 20), (large, 4096), (silent, 4096)):
        answer = client.put(hosts.batch(1, payload=payload, raw_size=claimed & 0xFFFFFFFF))
        assert answer.receipt == REFUSED

    assert time.monotonic() - began < 5


def test_a_message_of_five_megabytes(client: hosts.Client) -> None:
    """A message over the bound is refused by its length, and the connection lives on."""
    code, _ = _status(lambda: client.put(hosts.batch(1, payload=b"x" * (5 << 20))))

    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert client.put(hosts.batch(1)).receipt == STORED


def test_an_old_wire_is_told_so(client: hosts.Client) -> None:
    """A protocol that is not spoken any more is no reason to send the batch again."""
    code, says = _status(lambda: client.put(hosts.batch(1, protocol=99)))

    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "99" in says


def _flood(client: hosts.Client) -> None:
    for number in range(1, 100):
        client.put(hosts.batch(number))


def test_a_host_may_not_flood(tmp_path: Path) -> None:
    """Above its quota a host is told when to come again, and nothing was taken."""
    configured = collectors.config(tmp_path, host_rate=1000.0, host_burst=3000.0)
    with collectors.running(configured) as collector:
        with (
            hosts.connected(collector.enrol(), collector.address) as client,
            pytest.raises(grpc.RpcError) as caught,
        ):
            _flood(client)

        metadata = dict(caught.value.trailing_metadata())
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert 0 < int(metadata[wire.RETRY_AFTER]) < 10_000
        with hosts.connected(collector.enrol(), collector.address) as other:
            assert other.put(hosts.batch(1)).receipt == STORED


def test_hostile_text_is_stored_and_harmless(collector: Running, client: hosts.Client) -> None:
    """NUL, line breaks and direction marks in names are data like any other."""
    hostile = "evil\0\n::error\u202e\N{RIGHT-TO-LEFT OVERRIDE}'; DROP TABLE runs; --"

    assert client.put(hosts.last(1, purl=hostile)).receipt == STORED
    assert "\0" not in _rows(collector, schema.packages)[0]["purl"]


def test_a_join_token_works_once(collector: Running) -> None:
    """A replayed, unknown or late token lets nobody in, and does not say which it was."""
    used, late = collector.token(), collector.token(seconds=0)
    hosts.enrol(collector.enrolment, used, collector.authorities)
    unknown = used[:6] + ("A" if used[6] != "A" else "B") + used[7:]

    answers = {
        _status(lambda token=token: hosts.enrol(collector.enrolment, token, collector.authorities))
        for token in (used, late, unknown)
    }

    assert answers == {(grpc.StatusCode.UNAUTHENTICATED, "the join token is unknown, used up or expired")}
    assert len(_rows(collector, schema.hosts)) == 1


def test_names_in_a_request_are_ignored(collector: Running, host: hosts.Credentials) -> None:
    """The certificate names the host by the collector's choice, and nothing that the host asked for."""
    made = x509.load_pem_x509_certificate(host.chain)
    named = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert [name.value for name in named] == [host_uri(DOMAIN, host.host)]
    assert made.subject.rfc4514_string() == ""
    assert made.not_valid_after_utc - datetime.now(UTC) <= timedelta(hours=24)


def test_a_foreign_certificate_is_refused(
    collector: Running, host: hosts.Credentials, tmp_path: Path
) -> None:
    """A certificate of another authority, or none, does not even get a connection."""
    foreign = open_authority(tmp_path / "foreign", DOMAIN)
    key = ec.generate_private_key(ec.SECP256R1())
    issued = foreign.for_host(hosts.request_of(key), host_uri(DOMAIN, host.host))
    fake = hosts.Credentials(host.host, hosts.private(key), issued.chain, host.authorities)

    with hosts.connected(fake, collector.address) as client:
        code, _ = _status(lambda: client.put(hosts.batch(1), seconds=5))
    assert code is grpc.StatusCode.UNAVAILABLE
    with grpc.secure_channel(collector.address, grpc.ssl_channel_credentials(host.authorities)) as channel:
        code, _ = _status(lambda: hosts.Client(channel).put(hosts.batch(1), seconds=5))
    assert code is grpc.StatusCode.UNAVAILABLE


def test_the_collectors_own_certificate_is_no_hosts(collector: Running, host: hosts.Credentials) -> None:
    """A certificate of our authority that names no host is not let in as one."""
    shown = collector.collector.authority.for_server(("localhost",))
    fake = hosts.Credentials("", shown.key, shown.chain, host.authorities)

    with hosts.connected(fake, collector.address) as client:
        code, _ = _status(lambda: client.put(hosts.batch(1), seconds=5))

    assert code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNAVAILABLE)


def test_expiry_and_revocation_count_on_a_living_connection(collector: Running, client: hosts.Client) -> None:
    """GRPC looks at a certificate once; here its end and its revocation are looked at at every call."""
    gate = collector.collector.gate
    assert client.put(hosts.batch(1)).receipt == STORED

    real, gate._now = gate._now, lambda: real() + 25 * 3_600_000_000  # type: ignore[method-assign]
    assert _status(lambda: client.put(hosts.batch(2))) == (
        grpc.StatusCode.UNAUTHENTICATED, "the certificate has expired",
    )  # fmt: skip
    gate._now = real  # type: ignore[method-assign]
    collector.store.enrolment.revoke(_rows(collector, schema.hosts)[0]["id"])
    collector.do(collector.collector._look)
    code, says = _status(lambda: client.put(hosts.batch(2)))

    assert (code, says) == (grpc.StatusCode.UNAUTHENTICATED, "the certificate was revoked")
    assert len(_rows(collector, schema.segments)) == 1


def test_a_stolen_certificate_is_denied_alone(collector: Running, host: hosts.Credentials) -> None:
    """Renewal gives a new certificate to the same host; the old one can be denied by its serial."""
    key = ec.generate_private_key(ec.SECP256R1())
    with hosts.connected(host, collector.address) as client:
        answer = client.identity.Renew(telemetry_renewal(key), timeout=20)
    renewed = replace(host, key=hosts.private(key), chain=answer.chain)
    serial = f"{x509.load_pem_x509_certificate(host.chain).serial_number:x}"

    collector.store.enrolment.revoke_certificate(serial)
    collector.do(collector.collector._look)

    with hosts.connected(host, collector.address) as thief:
        assert _status(lambda: thief.put(hosts.batch(1)))[0] is grpc.StatusCode.UNAUTHENTICATED
    with hosts.connected(renewed, collector.address) as owner:
        assert owner.put(hosts.batch(1)).receipt == STORED


def telemetry_renewal(key: ec.EllipticCurvePrivateKey) -> Any:
    """A request for a new certificate."""
    from pratique.api.v1 import enrolment_pb2

    return enrolment_pb2.RenewRequest(protocol=wire.PROTOCOL, csr=hosts.request_of(key))


class _Shown:
    """A call that shows this certificate."""

    def __init__(self, pem: bytes | None) -> None:
        self._pem = pem

    def auth_context(self) -> dict[str, list[bytes]]:
        """As gRPC gives it."""
        return {} if self._pem is None else {"x509_pem_cert": [self._pem]}


def _certificate(names: list[x509.GeneralName]) -> bytes:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(x509.Name([]))
    builder = builder.public_key(key.public_key()).serial_number(7).not_valid_before(now - timedelta(1))
    builder = builder.not_valid_after(now + timedelta(1))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


URI = x509.UniformResourceIdentifier
NOBODIES = {
    "no names": [],
    "a DNS name": [x509.DNSName("host-a")],
    "two hosts": [URI(host_uri(DOMAIN, "a")), URI(host_uri(DOMAIN, "b"))],
    "a host and a name": [URI(host_uri(DOMAIN, "a")), x509.DNSName("a")],
    "another domain": [URI("spiffe://elsewhere.example/host/a")],
    "no host": [URI(f"spiffe://{DOMAIN}/user/a")],
    "a path trick": [URI(f"spiffe://{DOMAIN}/host/a/../b")],
}


@pytest.mark.parametrize("what", NOBODIES)
def test_only_one_spiffe_name_is_an_identity(what: str) -> None:
    """A certificate that names anything but exactly one host of this domain names nobody."""
    with pytest.raises(RefusedError):
        Gate(DOMAIN).peer(_Shown(_certificate(NOBODIES[what])))


def test_a_good_name_is_an_identity() -> None:
    """The check above is not blind; no certificate at all is refused, too."""
    shown = _Shown(_certificate([URI(host_uri(DOMAIN, "host-a"))]))

    assert Gate(DOMAIN).peer(shown).host == "host-a"
    with pytest.raises(RefusedError):
        Gate(DOMAIN).peer(_Shown(None))


def test_requests_for_certificates_are_checked(tmp_path: Path) -> None:
    """Garbage, other keys and requests signed by somebody else's key give no certificate."""
    authority = open_authority(tmp_path, DOMAIN)
    uri = host_uri(DOMAIN, "a")
    good = hosts.request_of(ec.generate_private_key(ec.SECP256R1()))
    weak = hosts.request_of(ec.generate_private_key(ec.SECP192R1()))
    forged = good[:-4] + bytes(4)

    assert authority.for_host(good, uri).chain
    for bad in (b"", b"\x30\x03", good[:50], forged, weak, b"x" * (17 << 10)):
        with pytest.raises(MalformedError):
            authority.for_host(bad, uri)


def test_the_authority_is_made_once(tmp_path: Path) -> None:
    """A second start finds the same authority, its key readable by its owner only."""
    first, second = open_authority(tmp_path, DOMAIN), open_authority(tmp_path, DOMAIN)

    assert isinstance(first, Authority)
    assert first.fingerprint == second.fingerprint
    assert (tmp_path / "authority.key").stat().st_mode & 0o777 == 0o600


def test_decisions_reach_hosts_that_watch(collector: Running, client: hosts.Client) -> None:
    """A block is pushed within 5 s, the host's answer is kept; one that comes back later gets it, too."""
    stream = client.control.Watch(control_pb2.WatchRequest(protocol=wire.PROTOCOL), timeout=30)
    time.sleep(0.5)
    began = time.monotonic()
    collector.store.decisions.block(hosts.EVIL, "a worm", "ann")

    document = next(stream).document

    assert time.monotonic() - began < 5
    assert (document.kind, document.version) == (control_pb2.DOCUMENT_KIND_BLOCKS, 1)
    assert [(block.purl, block.reason) for block in document.blocks] == [(hosts.EVIL, "a worm")]
    stream.cancel()
    told = control_pb2.AcknowledgeRequest(
        protocol=wire.PROTOCOL, kind=document.kind, version=document.version, applied=True
    )
    client.control.Acknowledge(told, timeout=20)
    assert [row["state"] for row in collector.store.decisions.progress("blocks", 1)] == ["applied"]
    collector.store.decisions.approve("pkg:pypi/six@1.16.0", "read it", "ann")
    held = [control_pb2.Held(kind=control_pb2.DOCUMENT_KIND_BLOCKS, version=1)]
    later = client.control.Watch(control_pb2.WatchRequest(protocol=wire.PROTOCOL, held=held), timeout=30)
    assert next(later).document.approvals[0].people == ["ann"]
    later.cancel()


def test_a_revoked_host_hears_no_more(
    collector: Running, host: hosts.Credentials, client: hosts.Client
) -> None:
    """An open control stream ends when its host is revoked."""
    stream = client.control.Watch(control_pb2.WatchRequest(protocol=wire.PROTOCOL), timeout=30)
    time.sleep(0.3)

    collector.store.enrolment.revoke(host.host)

    assert _status(lambda: next(stream))[0] is grpc.StatusCode.UNAUTHENTICATED


def test_a_host_tells_what_it_is(collector: Running, client: hosts.Client) -> None:
    """The host's state is kept, days of clock skew are noted and not believed."""
    told = telemetry_pb2.Host(name="build-7", backend="hooks", observed_us=hosts.NOON, spool_bytes=1 << 63)
    told.versions["pratique"] = "0.1"
    told.gaps.add(id="g1", reason=telemetry_pb2.GAP_REASON_SPOOL_FULL, records=5)

    for _ in range(2):
        client.telemetry.PutHost(telemetry_pb2.PutHostRequest(protocol=wire.PROTOCOL, host=told), timeout=20)

    row = _rows(collector, schema.hosts)[0]
    assert (row["name"], row["backend"], row["agent"]) == ("build-7", "hooks", "0.1")
    assert row["skew"] < -86_400_000_000
    assert [gap["reason"] for gap in _rows(collector, schema.gaps)] == ["spool-full"]


def test_a_new_certificate_comes_in_time(collector: Running, host: hosts.Credentials) -> None:
    """Before the collector's own certificate ends it shows another, on the same ports; a batch in between is safe."""
    inner = collector.collector
    shown = inner._keyed
    inner._keyed = replace(shown, renew_at=0)

    collector.do(inner._renew)

    assert inner._keyed.chain != shown.chain
    assert f"127.0.0.1:{inner.grpc.port}" == collector.address
    with hosts.connected(host, collector.address) as client:
        assert client.put(hosts.batch(1)).receipt == STORED


def test_many_come_at_once(collector: Running, host: hosts.Credentials) -> None:
    """200 hosts that reconnect in one moment are all served."""

    def come(number: int) -> int:
        option = [("grpc.use_local_subchannel_pool", 1)]
        shown = grpc.ssl_channel_credentials(host.authorities, host.key, host.chain)
        with grpc.secure_channel(collector.address, shown, options=option) as channel:
            return hosts.Client(channel).put(hosts.batch(number, events=3), seconds=60).receipt

    with ThreadPoolExecutor(40) as pool:
        assert set(pool.map(come, range(1, 201))) == {STORED}


def test_health_is_told_to_strangers(collector: Running) -> None:
    """A balancer asks without a certificate; draining is said before the end."""
    with grpc.secure_channel(
        collector.enrolment, grpc.ssl_channel_credentials(collector.authorities)
    ) as channel:
        health = hosts.Client(channel).health
        first = health.Check(health_pb2.CheckRequest(), timeout=20)
        collector.collector.health.draining = True
        second = health.Check(health_pb2.CheckRequest(), timeout=20)

    assert (first.status, first.protocol) == (health_pb2.HEALTH_STATUS_SERVING, wire.PROTOCOL)
    assert second.status == health_pb2.HEALTH_STATUS_DRAINING


def test_a_store_that_fails_acknowledges_nothing(collector: Running, client: hosts.Client) -> None:
    """While nothing can be stored, batches are turned away with a time to come again, and health says so."""
    writer = collector.collector.groups
    real = writer._write

    def broken(_: Any) -> Any:
        raise StoreError("no space is left on the device")

    writer._write = broken
    with pytest.raises(grpc.RpcError) as caught:
        client.put(hosts.batch(1))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert wire.RETRY_AFTER in dict(caught.value.trailing_metadata())
    assert client.health.Check(health_pb2.CheckRequest()).status == health_pb2.HEALTH_STATUS_FAILING
    writer._write = real

    assert client.put(hosts.batch(1)).receipt == STORED
    with collector.store.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.segments)) == 1


def test_one_bad_batch_keeps_nobody_else_out(collector: Running, host: hosts.Credentials) -> None:
    """A batch the database cannot hold fails alone, though others wait for the same commit."""
    groups = collector.collector.groups
    real = groups._write

    def picky(batches: Any) -> Any:
        time.sleep(0.05)
        if any(batch.seq == 13 for batch in batches):
            raise MalformedError("unlucky")
        return real(batches)

    groups._write = picky
    with hosts.connected(host, collector.address) as client, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda seq: client.put(hosts.batch(seq, events=3)).receipt, range(1, 41)))

    assert [seq for seq, answer in enumerate(answers, start=1) if answer == REFUSED] == [13]
    assert groups.failing is None
