"""A request of the wire into a `Batch` of the store: what is hostile is bounded or refused here, not later."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace

import zstandard

from pratique.api import columns, wire
from pratique.api.v1 import run_pb2, telemetry_pb2, words_pb2
from pratique_server import wording
from pratique_server.errors import MalformedError
from pratique_server.store import purls
from pratique_server.store.records import Batch, Finding, Gap, Installed, Package, Segment, Sighting

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_LARGEST_SEQ = 1 << 40
_LARGEST_COUNT = 1 << 40
_LATEST = 1 << 52
_LONGEST_TARGET = 1_024
_LONGEST_WORD = 256
_MOST_PEERS = 2_000
_LEVEL = 3


def batch(request: telemetry_pb2.PutBatchRequest, host: str, received: int) -> Batch:
    """The batch that `host` sent; `MalformedError` when it can never be stored."""
    if _ULID.fullmatch(request.run_id) is None:
        raise MalformedError("the run id is no ULID")
    if not 0 < request.seq < _LARGEST_SEQ:
        raise MalformedError("the number of the batch is out of bounds")
    if max(len(request.findings), len(request.packages), len(request.gaps)) > wire.MOST_FINDINGS:
        raise MalformedError("there are too many findings, packages or gaps in one batch")
    run = request.run if request.HasField("run") else None
    if run is not None and run.id not in ("", request.run_id):
        raise MalformedError("the run's summary names another run")
    return Batch(
        host,
        request.run_id,
        request.seq,
        received,
        _segment(request, received),
        facts=_facts(run) if run is not None else {},
        packages=_packages(request),
        installed=_installed(run) if run is not None else None,
        findings=[_finding(each, request.run_id) for each in request.findings],
        sightings=_sightings(request, received),
        gaps=[gap(each) for each in request.gaps],
    )


def gap(told: telemetry_pb2.Gap) -> Gap:
    """What a host says it dropped."""
    reason = wording.word(telemetry_pb2.GapReason, told.reason) or "unknown"
    return Gap(
        word(told.id), word(told.run_id), reason, count(told.batches), count(told.records), count(told.bytes),
        moment(told.since_us), moment(told.until_us),
    )  # fmt: skip


def text(given: str, longest: int = wire.MOST_TEXT) -> str:
    """Text that every database can hold: PostgreSQL knows no NUL."""
    return given[:longest].replace("\0", "\N{REPLACEMENT CHARACTER}")


def word(given: str) -> str:
    """A short text."""
    return text(given, _LONGEST_WORD)


def count(given: int) -> int:
    """A count that can be added up for ever."""
    return min(max(given, 0), _LARGEST_COUNT)


def moment(given: int) -> int:
    """A time that a calendar holds, whatever the host's clock says."""
    return min(max(given, 0), _LATEST)


def _segment(request: telemetry_pb2.PutBatchRequest, received: int) -> Segment:
    """The payload as it came, once it was seen to be what its envelope says."""
    payload = request.payload
    digest = hashlib.sha256(payload).digest()
    if request.records == 0:
        if payload:
            raise MalformedError("there is a payload of no records")
        return Segment(payload, digest, request.codec, 0, received, received)
    if request.codec != telemetry_pb2.CODEC_COLUMNS_ZSTD:
        raise MalformedError("the payload is packed in a way this collector does not know")
    try:
        columns.check(payload, request.records, request.raw_size)
    except wire.WireError as error:
        raise MalformedError(str(error)) from error
    first, last = moment(request.first_us), moment(request.last_us)
    return Segment(payload, digest, request.codec, request.records, first, last)


def _facts(run: run_pb2.Run) -> dict[str, object]:
    return {
        "started": moment(run.started_us) or None,
        "ended": moment(run.ended_us) or None,
        "command": text(" ".join(run.command)) or None,
        "description": text(run.description) or None,
        "cwd": text(run.cwd) or None,
        "user": word(run.user) or None,
        "manager": word(run.manager) or None,
        "profile": word(run.profile) or None,
        "mode": word(run.mode) or None,
        "backend": word(run.backend) or None,
        "policy": word(run.policy.digest) or None,
        "verdict": wording.verdict(run.verdict),
        "incomplete": run.incomplete,
        "lost": count(run.lost_events),
        "exit_status": run.exit_status if run.HasField("exit_status") else None,
        "signal": run.signal if run.HasField("signal") else None,
        "pratique_status": run.pratique_status,
        "batches": run.batches or None,
        "document": _document(run),
    }


def _document(run: run_pb2.Run) -> bytes:
    """All that was said of the run but its coverage, which the host tells once, and what has a table of its own."""
    kept = run_pb2.Run()
    kept.CopyFrom(run)
    kept.ClearField("coverage")
    kept.ClearField("installed")  # a set that runs share
    return zstandard.ZstdCompressor(level=_LEVEL).compress(kept.SerializeToString())


def _installed(run: run_pb2.Run) -> list[Installed] | None:
    """None: nothing was installed, or the host is too old to say."""
    if len(run.installed) > wire.MOST_INSTALLED:
        raise MalformedError("there are too many installed packages in one run")
    named = (each for each in run.installed if each.purl)
    rows = [
        Installed(
            text(each.purl, purls.LONGEST), word(each.digest), wording.quality(each.identity) or "unknown"
        )
        for each in named
    ]
    return rows or None


def _packages(request: telemetry_pb2.PutBatchRequest) -> list[Package]:
    """What is known of each package; whom it spoke to stands in the summary of the run."""
    started = moment(request.run.started_us) or moment(request.first_us) or None
    known = {package.purl: package for package in _named(request, started)}
    for peer in request.run.egress[:_MOST_PEERS]:
        purl = text(peer.package, purls.LONGEST)
        if purl and peer.act == words_pb2.ACT_NET_CONNECT:
            package = known.get(purl) or Package(purl, first=started)
            known[purl] = replace(package, net=count(package.net + count(peer.count)))
    return list(known.values())


def _named(request: telemetry_pb2.PutBatchRequest, started: int | None) -> Iterator[Package]:
    for each in request.packages:
        if each.purl:
            yield Package(
                text(each.purl, purls.LONGEST),
                wording.quality(each.identity),
                each.direct if each.HasField("direct") else None,
                count(each.events),
                first=started,
                stages=sum(1 << stage for stage in {*each.stages} if 0 <= stage < 8),  # noqa: PLR2004 -- a byte
                document=each.SerializeToString(),
            )


def _finding(told: run_pb2.Finding, run: str) -> Finding:
    return Finding(
        word(told.id) or f"{run}-0000",
        word(told.rule),
        text(told.title, _LONGEST_TARGET),
        word(told.severity),
        wording.done(told.action),
        wording.stage(told.stage) or "",
        wording.actor(told.actor) or "",
        wording.act(told.act) or "",
        text(wording.target(told.target), _LONGEST_TARGET),
        text(told.package, purls.LONGEST) or None,
        moment(told.time_us),
        count(told.count),
        zstandard.ZstdCompressor(level=_LEVEL).compress(told.SerializeToString()),
    )


def _sightings(request: telemetry_pb2.PutBatchRequest, received: int) -> list[Sighting]:
    """Names, addresses and digests that people will look for one day."""
    first = moment(request.run.started_us) or moment(request.first_us) or received
    seen: dict[tuple[str, str, str], int] = {}
    for kind, value, purl, number in _seen(request):
        if value:
            key = (kind, text(value, _LONGEST_TARGET), text(purl, purls.LONGEST))
            seen[key] = seen.get(key, 0) + number
    return [Sighting(kind, value, purl or None, count(n), first) for (kind, value, purl), n in seen.items()]


def _seen(request: telemetry_pb2.PutBatchRequest) -> Iterator[tuple[str, str, str, int]]:
    for peer in request.run.egress[:_MOST_PEERS]:
        yield "address", peer.address, peer.package, count(peer.count)
        yield "name", peer.name, peer.package, count(peer.count)
    for found in request.findings:
        yield "path", found.target.path, found.package, 1
        yield "path", found.target.exe, found.package, 1
        yield "address", found.target.address, found.package, 1
        yield "name", found.target.name, found.package, 1
    for package in request.packages:
        for digest in package.digests[: wire.MOST_GROUPS]:
            yield "digest", digest, package.purl, 1
