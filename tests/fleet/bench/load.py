"""Runs as hosts would send them, made beforehand so that making them is not measured."""

import random
from functools import cache
from itertools import accumulate, chain, islice

import zstandard

import recorded
from fleet import hosts
from pratique.api import columns
from pratique.api.v1 import events_pb2, run_pb2, telemetry_pb2, words_pb2

_BASES, _PACKAGES, _ADDRESSES = 60, 3_000, 2_000
_MONTH_US = 30 * 86_400_000_000
_WEIGHTS = list(accumulate(1 / rank for rank in range(1, _PACKAGES + 1)))


@cache
def _base(events: int, number: int, real: bool) -> tuple[events_pb2.Columns, int, int]:
    """The columns of one run, its first time and how long it takes."""
    rows = _recorded(events, number) if real else hosts.rows(events, number)
    packed = columns.encode(rows)
    raw = zstandard.ZstdDecompressor().decompress(packed.payload)
    return events_pb2.Columns.FromString(raw), rows[0].time_us, packed.last_us - packed.first_us


def _recorded(events: int, number: int) -> list[columns.Row]:
    """What was recorded of real installs, one after the other until it is enough for a large one."""
    begin = number * events // len(recorded.runs())
    rows = chain.from_iterable(islice(recorded.stream(), begin % 500, None))
    return sorted(islice(rows, events), key=lambda row: row.time_us)


def _packed(events: int, number: int, shift: int, real: bool) -> columns.Packed:
    """The same run at another time: another payload, without making its rows again."""
    message, first, lasts = _base(events, number % _BASES, real)
    message.time_us[0] = first + shift
    raw = message.SerializeToString()
    payload = zstandard.ZstdCompressor(level=3).compress(raw)
    return columns.Packed(payload, len(raw), events, first + shift, first + shift + lasts)


def purl(rank: int) -> str:
    """The package of this rank: 0 is in more runs than any other."""
    return f"pkg:npm/package-{rank}@1.{rank % 7}.{rank % 11}"


def run(number: int, events: int, *, real: bool = False) -> telemetry_pb2.PutBatchRequest:
    """A whole run in one batch: its own times and payload, packages as unevenly spread as they are."""
    chance = random.Random(number)
    packed = _packed(events, number, chance.randrange(_MONTH_US) + number, real)
    name, picked = hosts.run_id(number), chance.choices(range(_PACKAGES), cum_weights=_WEIGHTS, k=3)
    blocked = chance.random() < 0.02
    request = telemetry_pb2.PutBatchRequest(
        protocol=1, run_id=name, seq=1, codec=telemetry_pb2.CODEC_COLUMNS_ZSTD, records=packed.records,
        payload=packed.payload, raw_size=packed.raw_size, first_us=packed.first_us, last_us=packed.last_us,
        packages=[_package(rank, events) for rank in dict.fromkeys(picked)],
        run=_summary(name, chance, packed, blocked, picked),
    )  # fmt: skip
    if blocked:
        request.findings.append(hosts.last(1, name, purl(picked[0]), events=1).findings[0])
    return request


def _package(rank: int, events: int) -> run_pb2.Package:
    return run_pb2.Package(
        purl=purl(rank), identity=words_pb2.QUALITY_VERIFIED, stages=[words_pb2.STAGE_SCRIPT], direct=False,
        events=events // 3,
    )  # fmt: skip


def _summary(
    name: str, chance: random.Random, packed: columns.Packed, blocked: bool, picked: list[int]
) -> run_pb2.Run:
    peers = [
        run_pb2.Peer(
            act=words_pb2.ACT_NET_CONNECT, address=f"198.51.{n // 250}.{n % 250}", port=443, name=f"cdn-{n}.example",
            actor=words_pb2.ACTOR_PACKAGE, package=purl(picked[0]), count=3,
        )
        for n in {int(chance.paretovariate(0.8)) % _ADDRESSES for _ in range(3)}
    ]  # fmt: skip
    verdict = words_pb2.VERDICT_BLOCKED if blocked else words_pb2.VERDICT_CLEAN
    return run_pb2.Run(
        id=name, command=["npm", "install"], description="npm install", cwd="/home/dev/app", user="dev",
        manager="npm", profile="standard", mode="enforce", backend="hooks", started_us=packed.first_us,
        ended_us=packed.last_us, exit_status=0, verdict=verdict, judged=True, batches=1, records=packed.records,
        egress=peers,
    )  # fmt: skip
