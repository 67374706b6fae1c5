"""A finished run → the batches that are sent of it, most important first."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from pratique.api import columns
from pratique.api.columns import Row
from pratique.api.v1 import run_pb2, telemetry_pb2
from pratique.api.wire import CUT_RECORDS, MOST_FINDINGS, MOST_PAYLOAD, MOST_RAW, PROTOCOL
from pratique.model import Event
from pratique.runs.run import Settled
from pratique.telemetry import messages
from pratique.telemetry.rows import Redactor, rows
from pratique.telemetry.spool import Rank, Waiting
from pratique.words import Action

_MOST_BYTES = 512 << 10

Said = run_pb2.Finding | run_pb2.Package


class Sent(NamedTuple):
    """What was made of a run before: a run that goes on is told again, with what is new."""

    batches: int = 0
    records: int = 0
    whole: bool = True
    """False: nobody knows what an earlier process made of it; its numbers begin where they can meet none of those."""


NOTHING = Sent()


def of_run(
    report: Mapping[str, Any], recorded: Iterable[Event | Settled], before: Sent = NOTHING
) -> list[Waiting]:
    """Every batch of a run: its report goes with its first acts, ordinary events in batches of their own."""
    made = rows(recorded, Redactor())
    acts = list(_cut([row for row in made if _matters(row)]))
    ordinary = list(_cut([row for row in made if not _matters(row)]))
    said = list(_together(_said(report)))
    heads = [_head(part) for part in said or [[]]]
    events = [*((Rank.ACTS, part) for part in acts), *((Rank.ORDINARY, part) for part in ordinary)]
    joined = bool(acts)  # the first acts of a run are the evidence of its findings: they share their fate
    bodies = [(Rank.FINDINGS, head, acts[0] if joined and not n else []) for n, head in enumerate(heads)]
    bodies += [
        (rank, telemetry_pb2.PutBatchRequest(), part) for rank, part in (events[1:] if joined else events)
    ]
    count = before.batches + len(bodies) if before.whole else 0
    total = messages.run(report, count, before.records + len(made))
    bodies[0][1].run.CopyFrom(total)
    return [
        _waiting(report["run"]["id"], seq, rank, request, part)
        for seq, (rank, request, part) in enumerate(bodies, start=before.batches + 1)
    ]


def _matters(row: Row) -> bool:
    """What a reviewer looks at first: every act that is more than a fork, an exit or an ordinary open."""
    shape = row.shape
    return bool(shape.act) and (shape.action != Action.ALLOW or bool(shape.groups) or bool(row.argv))


def _cut(given: Sequence[Row]) -> Iterator[list[Row]]:
    rest = iter(given)
    while part := list(islice(rest, CUT_RECORDS)):
        yield part


def _said(report: Mapping[str, Any]) -> Iterator[Said]:
    yield from map(messages.finding, report["findings"])
    yield from map(messages.package, report["packages"])


def _together(said: Iterable[Said]) -> Iterator[list[Said]]:
    """As many as one batch may hold, in number and in bytes."""
    part: list[Said] = []
    size = 0
    for each in said:
        size += each.ByteSize()
        if part and (size > _MOST_BYTES or len(part) >= MOST_FINDINGS):
            yield part
            part, size = [], each.ByteSize()
        part.append(each)
    if part:
        yield part


def _head(said: Iterable[Said]) -> telemetry_pb2.PutBatchRequest:
    held = list(said)
    return telemetry_pb2.PutBatchRequest(
        findings=[each for each in held if isinstance(each, run_pb2.Finding)],
        packages=[each for each in held if isinstance(each, run_pb2.Package)],
    )


def _waiting(
    run: str, seq: int, rank: Rank, request: telemetry_pb2.PutBatchRequest, part: Sequence[Row]
) -> Waiting:
    request.protocol, request.run_id, request.seq = PROTOCOL, run, seq
    request.made_us = time.time_ns() // 1000
    if part:
        packed = _packed(part)
        request.codec = telemetry_pb2.CODEC_COLUMNS_ZSTD
        request.payload, request.raw_size, request.records = packed.payload, packed.raw_size, packed.records
        request.first_us, request.last_us = packed.first_us, packed.last_us
    return Waiting(run, seq, rank, request.records, request.SerializeToString())


def _packed(part: Sequence[Row]) -> columns.Packed:
    """Texts that do not compress could make a payload too large: then the longest of them are cut."""
    for longest in (None, 1_024, 128):
        given = part if longest is None else [_shortened(row, longest) for row in part]
        packed = columns.encode(given)
        if len(packed.payload) <= MOST_PAYLOAD and packed.raw_size <= MOST_RAW:
            return packed
    return columns.encode([row._replace(argv=(), more="") for row in given])


def _shortened(row: Row, longest: int) -> Row:
    cut: dict[str, Any] = {
        name: value[:longest] for name, value in row._asdict().items() if isinstance(value, str)
    }
    return row._replace(argv=tuple(word[:longest] for word in row.argv[:longest]), **cut)
