"""A store as it is after months: a thousand hosts, many runs, millions of events."""

import hashlib
import random
from base64 import b64encode
from collections.abc import Iterator
from functools import cache

from fleet import hosts, story
from pratique.api import columns, wire
from pratique.api.v1 import run_pb2, telemetry_pb2, words_pb2
from pratique_server import moments
from pratique_server.ingest import reading
from pratique_server.store.records import Batch

EVENTS = 500
"""Per run, as installs have on average."""
_GROUP = 256
_PAYLOADS = 64
_REFUSED, _LOST = 0.2, 0.01
_LOCKS, _LOCKED = 200, 300
_RULES = (
    "secrets.install",
    "egress.install",
    "persistence.write",
    "code.fresh",
    "dns.install",
    "files.other-package",
)


def fill(fleet: story.Fleet, runs: int, machines: int = 1_000, seed: int = 3) -> None:
    """Write `runs` runs of `EVENTS` events each."""
    chance, now = random.Random(seed), moments.now()
    story.enrol(fleet, tuple(f"machine-{number:04}" for number in range(machines)), now)
    names = [name for name in fleet.hosts if name.startswith("machine-")]
    payloads = [columns.encode(hosts.rows(EVENTS, seed)) for seed in range(_PAYLOADS)]
    group: list[Batch] = []
    for number in range(runs):
        when = now - int((runs - number) / runs * 28 * moments.DAY)
        group.append(
            reading.batch(_request(chance, number, when, payloads), fleet.hosts[chance.choice(names)], when)
        )
        if len(group) == _GROUP or number == runs - 1:
            fleet.store.writer.write(group)
            group = []


def _request(
    chance: random.Random, number: int, when: int, payloads: list[columns.Packed]
) -> telemetry_pb2.PutBatchRequest:
    run, packed = hosts.run_id((1 << 43) + number), chance.choice(payloads)
    packages = [_package(purl) for purl in dict.fromkeys(_purls(chance))]
    findings = [_finding(chance, run, packages[-1].purl, when)] if chance.random() < _REFUSED else []
    verdict = words_pb2.VERDICT_BLOCKED if findings else words_pb2.VERDICT_CLEAN
    summary = run_pb2.Run(
        id=run, command=["npm", "ci"], description="npm ci", manager="npm", user="dev",
        cwd="/srv/job", profile="standard", mode="enforce", backend="hooks", started_us=when,
        ended_us=when + 9_000_000, exit_status=0, verdict=verdict, judged=True, batches=1,
        records=packed.records, incomplete=chance.random() < _LOST, installed=_lock(chance.randrange(_LOCKS)),
        egress=[_peer(chance, each.purl) for each in packages[:3]],
    )  # fmt: skip
    return telemetry_pb2.PutBatchRequest(
        protocol=wire.PROTOCOL, run_id=run, seq=1, records=packed.records, codec=telemetry_pb2.CODEC_COLUMNS_ZSTD,
        payload=packed.payload, raw_size=packed.raw_size, first_us=packed.first_us, last_us=packed.last_us,
        made_us=when, run=summary, findings=findings, packages=packages,
    )  # fmt: skip


@cache
def _lock(number: int) -> list[run_pb2.Installed]:
    """What a lock file lists: hundreds of packages, the same for every run of a project."""
    chance = random.Random(number)
    names = ["pkg:npm/everywhere@1.0.0"]
    names += [
        f"pkg:npm/package-{chance.randrange(3_000)}@{chance.randrange(1, 4)}.0.0" for _ in range(_LOCKED)
    ]
    return [_installed(purl) for purl in dict.fromkeys(names)]


def _installed(purl: str) -> run_pb2.Installed:
    digest = b64encode(hashlib.sha512(purl.encode()).digest()).decode()
    return run_pb2.Installed(purl=purl, identity=words_pb2.QUALITY_VERIFIED, digest=f"sha512-{digest}")


def _purls(chance: random.Random) -> Iterator[str]:
    """A few packages whose code ran; one is everywhere, most are rare."""
    yield "pkg:npm/everywhere@1.0.0"
    for _ in range(5):
        name = int(chance.paretovariate(0.9)) % 3_000
        yield f"pkg:npm/package-{name}@{chance.randrange(1, 4)}.0.0"


def _package(purl: str) -> run_pb2.Package:
    return run_pb2.Package(
        purl=purl,
        identity=words_pb2.QUALITY_VERIFIED,
        stages=[words_pb2.STAGE_SCRIPT],
        events=40,
        origins=[1],
    )


def _peer(chance: random.Random, purl: str) -> run_pb2.Peer:
    number = int(chance.paretovariate(0.8)) % 60_000
    return run_pb2.Peer(
        act=words_pb2.ACT_NET_CONNECT, address=f"198.51.{number >> 8}.{number & 255}", port=443, package=purl,
        name=f"host-{number}.example", actor=words_pb2.ACTOR_PACKAGE, count=2,
    )  # fmt: skip


def _finding(chance: random.Random, run: str, purl: str, when: int) -> run_pb2.Finding:
    return run_pb2.Finding(
        id=f"{run}-0001", rule=chance.choice(_RULES), title="A rule that fired", severity="high",
        action=words_pb2.ACTION_DENY, stage=words_pb2.STAGE_SCRIPT, actor=words_pb2.ACTOR_PACKAGE, package=purl,
        identity=words_pb2.QUALITY_VERIFIED, act=words_pb2.ACT_FILE_READ, time_us=when + 1_000, count=1,
        target=run_pb2.Target(path=f"~/.config/app-{chance.randrange(500)}/token"), techniques=["T1552.001"],
        process=run_pb2.Process(pid=4_103, exe="/usr/bin/node", argv=["node", "setup.js"]),
    )  # fmt: skip
