"""Hosts that enrol and send: real keys, real certificates, real gRPC; what they saw is made up."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, islice
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pratique.api import columns, tokens, wire
from pratique.api.v1 import (
    control_pb2_grpc,
    enrolment_pb2,
    enrolment_pb2_grpc,
    health_pb2_grpc,
    run_pb2,
    telemetry_pb2,
    telemetry_pb2_grpc,
    words_pb2,
)

NOON = 1_763_812_800_000_000
EVIL = "pkg:pypi/evil@1.2.3"
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BIG = [("grpc.max_send_message_length", -1)]


@dataclass(frozen=True)
class Credentials:
    """What a host holds once it is in."""

    host: str
    key: bytes
    chain: bytes
    authorities: bytes

    def channel(self, address: str, authorities: bytes | None = None) -> grpc.Channel:
        """A channel that shows the host's certificate."""
        shown = grpc.ssl_channel_credentials(authorities or self.authorities, self.key, self.chain)
        return grpc.secure_channel(address, shown, options=_BIG)


class Client:
    """The services as one host sees them."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.telemetry = telemetry_pb2_grpc.TelemetryServiceStub(channel)
        self.control = control_pb2_grpc.ControlServiceStub(channel)
        self.identity = enrolment_pb2_grpc.IdentityServiceStub(channel)
        self.health = health_pb2_grpc.HealthServiceStub(channel)

    def put(
        self, request: telemetry_pb2.PutBatchRequest, seconds: float = 20
    ) -> telemetry_pb2.PutBatchResponse:
        """Send one batch."""
        return self.telemetry.PutBatch(request, timeout=seconds)


@contextmanager
def connected(credentials: Credentials, address: str) -> Iterator[Client]:
    """A host, for a while."""
    with credentials.channel(address) as channel:
        yield Client(channel)


def request_of(key: ec.EllipticCurvePrivateKey, name: str = "somebody else") -> bytes:
    """A certificate request that asks for a name nobody should get."""
    asked = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(asked)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def private(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def enrol(address: str, token: str, authorities: bytes, name: str = "a-host") -> Credentials:
    """Join a collector."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = enrolment_pb2.EnrollRequest(
        protocol=wire.PROTOCOL,
        secret=tokens.JoinToken.parse(token).secret,
        csr=request_of(key),
        host_name=name,
    )
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(authorities)) as channel:
        answer = enrolment_pb2_grpc.EnrolmentServiceStub(channel).Enroll(request, timeout=20)
    return Credentials(answer.host_id, private(key), answer.chain, answer.authorities)


def run_id(number: int) -> str:
    """A ULID."""
    tail = "".join(_LETTERS[(number >> shift) & 31] for shift in range(60, -1, -5))
    return "01JD3K0000000"[: 26 - len(tail)].ljust(26 - len(tail), "0") + tail


def _act(act: int) -> columns.Shape:
    return columns.Shape(4, 2, 5, act)


_READS, _SPEAKS = (_act(3), _act(4), _act(5)), (_act(11), _act(13))
_EXEC = columns.Shape(2, 2, 5)
_DENIED = columns.Shape(4, 2, 5, 3, 2, 0, 1, False, "secrets.read", ("secrets.aws",))


@cache
def _words() -> tuple[str, ...]:
    """Names as unlike each other as those of files in packages are."""
    chance = random.Random(7)
    return tuple(
        "".join(chance.choices("abcdefghiklmnoprstuvwy-_", k=chance.randrange(3, 13))) for _ in range(20_000)
    )


def _word(chance: random.Random) -> str:
    return _words()[int(chance.paretovariate(0.6)) % 20_000]


def _row(chance: random.Random, when: int) -> columns.Row:
    pid, kind = 4_000 + int(chance.paretovariate(0.9)) % 900, chance.random()
    row = columns.Row(when, _DENIED, pid, pid - 1, 1, "node", path="/home/dev/.aws/credentials", errno=1)
    if kind < 0.12:
        words = ("node", f"{_word(chance)}/{_word(chance)}.js", f"--{_word(chance)}", _word(chance))
        return row._replace(
            shape=_EXEC, exe="/usr/bin/node", cwd=f"/home/dev/app/{_word(chance)}", argv=words, path=""
        )
    if kind < 0.82:
        path = f"/home/dev/app/node_modules/{_word(chance)}/{_word(chance)}/{_word(chance)}.js"
        return row._replace(shape=chance.choice(_READS), path=path, errno=0)
    if kind < 0.999:
        address = f"203.{int(chance.paretovariate(0.5)) % 250}.113.{int(chance.paretovariate(1)) % 250}"
        return row._replace(shape=chance.choice(_SPEAKS), path="", address=address, port=443, errno=0)
    return row


def rows(number: int, seed: int = 0) -> list[columns.Row]:
    """Events as an install makes them: a few processes, many files, some network; names repeat as they do there."""
    chance = random.Random(seed)
    times = accumulate(
        (int(chance.expovariate(1 / 300)) for _ in range(number)), initial=NOON + seed * 1_000_000
    )
    return [_row(chance, when) for when in islice(times, 1, None)]


def batch(
    number: int = 1, run: str | None = None, events: int = 50, **more: Any
) -> telemetry_pb2.PutBatchRequest:
    """A batch of a run."""
    packed = columns.encode(rows(events, number))
    given = {
        "protocol": wire.PROTOCOL, "run_id": run or run_id(1), "seq": number, "records": packed.records,
        "codec": telemetry_pb2.CODEC_COLUMNS_ZSTD, "payload": packed.payload, "raw_size": packed.raw_size,
        "first_us": packed.first_us, "last_us": packed.last_us, "made_us": NOON,
    }  # fmt: skip
    return telemetry_pb2.PutBatchRequest(**{**given, **more})


def last(
    number: int = 1, run: str | None = None, purl: str = EVIL, **more: Any
) -> telemetry_pb2.PutBatchRequest:
    """The last batch of a run that was blocked: a finding, its package, and the summary."""
    name = run or run_id(1)
    peer = run_pb2.Peer(
        act=words_pb2.ACT_NET_CONNECT, address="203.0.113.9", port=8443, name="sink.example",
        actor=words_pb2.ACTOR_PACKAGE, package=purl, action=words_pb2.ACTION_DENY, count=2,
    )  # fmt: skip
    summary = run_pb2.Run(
        id=name, command=["pip", "install", "evil"], description="pip install evil", manager="pip", user="dev",
        host_name="somebody", profile="standard", mode="enforce", backend="hooks", started_us=NOON,
        ended_us=NOON + 3_000_000, exit_status=1, pratique_status=1, verdict=words_pb2.VERDICT_BLOCKED,
        judged=True, batches=number, records=50 * number, egress=[peer],
    )  # fmt: skip
    found = run_pb2.Finding(
        id=f"{name}-0001", rule="secrets.read", title="Package code reads a secret", severity="high",
        action=words_pb2.ACTION_DENY, stage=words_pb2.STAGE_BUILD, actor=words_pb2.ACTOR_PACKAGE, package=purl,
        identity=words_pb2.QUALITY_VERIFIED, act=words_pb2.ACT_FILE_READ, time_us=NOON + 1, count=1,
        target=run_pb2.Target(path="~/.aws/credentials"), groups=["secrets.aws"], techniques=["T1552.001"],
    )  # fmt: skip
    package = run_pb2.Package(
        purl=purl, identity=words_pb2.QUALITY_VERIFIED, stages=[words_pb2.STAGE_BUILD], direct=True, events=50,
        findings=1, digests=["sha256-" + hashlib.sha256(purl.encode()).hexdigest()],
    )  # fmt: skip
    made = batch(number, name, findings=[found], packages=[package], **more)
    made.run.CopyFrom(summary)
    return made
