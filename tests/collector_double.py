"""A collector as small as can be, for tests of the agent: real gRPC, real TLS, and faults on demand."""

import hashlib
import ipaddress
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pratique.api import names
from pratique.api.tokens import JoinToken
from pratique.api.v1 import (
    control_pb2,
    control_pb2_grpc,
    enrolment_pb2,
    enrolment_pb2_grpc,
    telemetry_pb2,
    telemetry_pb2_grpc,
)

_PEM = serialization.Encoding.PEM


class Authority:
    """A certificate authority of its own."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self._name = name
        self.certificate = (
            self._builder(name, self._key.public_key(), timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = self.certificate.public_bytes(_PEM)
        self.der = self.certificate.public_bytes(serialization.Encoding.DER)

    def _builder(self, subject: x509.Name, key: Any, life: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + life)
        )

    def _signed(self, key: Any, life: timedelta, names_: list[x509.GeneralName], usage: Any) -> bytes:
        made = (
            self._builder(x509.Name([]), key, life)
            .add_extension(x509.SubjectAlternativeName(names_), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return made.public_bytes(_PEM)

    def server(self) -> tuple[bytes, bytes]:
        """Key and chain of a collector on loopback."""
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        places: list[x509.GeneralName] = [
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.DNSName("localhost"),
        ]
        chain = self._signed(key.public_key(), timedelta(days=2), places, ExtendedKeyUsageOID.SERVER_AUTH)
        return private, chain + self.pem

    def host(self, csr: bytes, host_id: str, life: timedelta) -> bytes:
        """A certificate for a host."""
        uri = x509.UniformResourceIdentifier(names.host_uri(names.DOMAIN, host_id))
        key = x509.load_der_x509_csr(csr).public_key()
        return self._signed(key, life, [uri], ExtendedKeyUsageOID.CLIENT_AUTH)


@dataclass(slots=True)
class Faults:
    """What goes wrong now."""

    put: Callable[[telemetry_pb2.PutBatchRequest], grpc.StatusCode | None] = lambda _request: None
    refuse: Callable[[telemetry_pb2.PutBatchRequest], str] = lambda _request: ""
    host: grpc.StatusCode | None = None
    retry_after_ms: int | None = None
    delay: float = 0.0
    ahead: float = 0.0


@dataclass(slots=True)
class Collector:
    """What came in, and what is pushed."""

    authority: Authority = field(default_factory=Authority)
    faults: Faults = field(default_factory=Faults)
    life: timedelta = timedelta(hours=24)
    tokens: set[str] = field(default_factory=set)
    batches: dict[tuple[str, str, int], bytes] = field(default_factory=dict)
    received: int = 0
    most_at_once: int = 0
    hosts: list[telemetry_pb2.Host] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    serials: list[int] = field(default_factory=list)
    acknowledged: list[control_pb2.AcknowledgeRequest] = field(default_factory=list)
    watched: list[control_pb2.WatchRequest] = field(default_factory=list)
    documents: list[control_pb2.Document] = field(default_factory=list)
    port: int = 0
    enrol_port: int = 0
    _watchers: "list[queue.SimpleQueue[control_pb2.Document | None]]" = field(default_factory=list)
    _server: Any = None
    _strangers: Any = None
    _at_once: int = 0
    _lock: Any = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Serve on the ports of before, or on fresh ones."""
        key, chain = self.authority.server()
        mutual = grpc.ssl_server_credentials([(key, chain)], self.authority.pem, require_client_auth=True)
        self._server = grpc.server(ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
        telemetry_pb2_grpc.add_TelemetryServiceServicer_to_server(_Telemetry(self), self._server)
        control_pb2_grpc.add_ControlServiceServicer_to_server(_Control(self), self._server)
        enrolment_pb2_grpc.add_IdentityServiceServicer_to_server(_Identity(self), self._server)
        self.port = self._server.add_secure_port(f"127.0.0.1:{self.port}", mutual)
        self._server.start()
        self._strangers = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        enrolment_pb2_grpc.add_EnrolmentServiceServicer_to_server(_Enrolment(self), self._strangers)
        open_door = grpc.ssl_server_credentials([(key, chain)])
        self.enrol_port = self._strangers.add_secure_port(f"127.0.0.1:{self.enrol_port}", open_door)
        self._strangers.start()

    def stop(self) -> None:
        """As if the power went."""
        for watcher in self._watchers:
            watcher.put(None)
        for server in (self._server, self._strangers):
            server.stop(None).wait(5)

    def token(self) -> str:
        """A fresh join token."""
        made = JoinToken.make(self.authority.der)
        self.tokens.add(made.secret_digest)
        return str(made)

    def push(self, document: control_pb2.Document) -> None:
        """Tell every host that listens, and every one that comes."""
        self.documents.append(document)
        for watcher in self._watchers:
            watcher.put(document)

    @property
    def url(self) -> str:
        """Where hosts enrol."""
        return f"https://127.0.0.1:{self.enrol_port}"

    def seen(self, context: Any) -> str:
        """The host of a call; its serial is noted."""
        auth = context.auth_context()
        certificate = x509.load_pem_x509_certificate(auth["x509_pem_cert"][0])
        self.serials.append(certificate.serial_number)
        return names.host_of(auth["peer_spiffe_id"][0].decode(), names.DOMAIN)

    def now_us(self) -> int:
        """The collector's clock."""
        return round((time.time() + self.faults.ahead) * 1e6)

    def fail(self, context: Any, code: grpc.StatusCode) -> None:
        """Answer with an error."""
        if self.faults.retry_after_ms is not None:
            context.set_trailing_metadata((("pratique-retry-after-ms", str(self.faults.retry_after_ms)),))
        context.abort(code, "as the test wants it")

    def put(self, request: telemetry_pb2.PutBatchRequest, host: str) -> telemetry_pb2.PutBatchResponse:
        """Store it in memory."""
        key, body = (host, request.run_id, request.seq), request.SerializeToString(deterministic=True)
        duplicate = key in self.batches
        if duplicate and self.batches[key] != body:
            return telemetry_pb2.PutBatchResponse(
                receipt=telemetry_pb2.RECEIPT_REFUSED, reason="other content"
            )
        self.batches[key] = body
        return telemetry_pb2.PutBatchResponse(
            receipt=telemetry_pb2.RECEIPT_STORED, duplicate=duplicate, time_us=self.now_us()
        )

    def counted(self, change: int) -> None:
        """How many batches are being put at once."""
        with self._lock:
            self._at_once += change
            self.received += change > 0
            self.most_at_once = max(self.most_at_once, self._at_once)

    def watcher(self) -> "queue.SimpleQueue[control_pb2.Document | None]":
        """A host that listens."""
        made: queue.SimpleQueue[control_pb2.Document | None] = queue.SimpleQueue()
        self._watchers.append(made)
        return made


class _Telemetry(telemetry_pb2_grpc.TelemetryServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def PutBatch(self, request: Any, context: Any) -> Any:  # noqa: N802
        held = self._collector
        host = held.seen(context)
        held.counted(1)
        try:
            time.sleep(held.faults.delay)
            code = held.faults.put(request)
            if code is not None:
                held.fail(context, code)
            if why := held.faults.refuse(request):
                return telemetry_pb2.PutBatchResponse(receipt=telemetry_pb2.RECEIPT_REFUSED, reason=why)
            return held.put(request, host)
        finally:
            held.counted(-1)

    def PutHost(self, request: Any, context: Any) -> Any:  # noqa: N802
        held = self._collector
        held.seen(context)
        if held.faults.host is not None:
            held.fail(context, held.faults.host)
        held.hosts.append(request.host)
        return telemetry_pb2.PutHostResponse(time_us=held.now_us())


class _Control(control_pb2_grpc.ControlServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def Watch(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        held = self._collector
        held.watched.append(request)
        versions = {each.kind: each.version for each in request.held}
        pushed = held.watcher()
        for document in held.documents:
            if document.version > versions.get(document.kind, 0):
                yield control_pb2.WatchResponse(document=document)
        while context.is_active():
            with suppress(queue.Empty):
                document = pushed.get(timeout=0.2)
                if document is None:
                    return
                yield control_pb2.WatchResponse(document=document)

    def Acknowledge(self, request: Any, _context: Any) -> Any:  # noqa: N802
        self._collector.acknowledged.append(request)
        return control_pb2.AcknowledgeResponse()


class _Identity(enrolment_pb2_grpc.IdentityServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def Renew(self, request: Any, context: Any) -> Any:  # noqa: N802
        held = self._collector
        host = held.seen(context)
        held.renewed.append(host)
        chain = held.authority.host(request.csr, host, timedelta(hours=24))
        return enrolment_pb2.RenewResponse(chain=chain, authorities=held.authority.pem)


class _Enrolment(enrolment_pb2_grpc.EnrolmentServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def Enroll(self, request: Any, context: Any) -> Any:  # noqa: N802
        held = self._collector
        digest = hashlib.sha256(request.secret).hexdigest()
        if digest not in held.tokens:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no such token")
        held.tokens.discard(digest)
        chain = held.authority.host(request.csr, "host-1", held.life)
        return enrolment_pb2.EnrollResponse(
            host_id="host-1", chain=chain, authorities=held.authority.pem, port=held.port
        )
