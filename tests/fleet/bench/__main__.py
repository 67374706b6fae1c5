"""`make bench-collector`: measures, prints the tables, and writes them into docs/collector.md."""

import argparse
import asyncio
import os
import platform
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from fleet import served
from fleet.bench import answers, bulletin, ingest, uplink
from fleet.hosts import Credentials
from pratique_server.store.store import open_all

_PAGE = Path(__file__).parents[3] / "docs" / "collector.md"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_WINDOW, _BATCH, _HOSTS = 4, 500, 500


def main() -> None:
    """Measure ingest, then ask the store that grew by it, at rest and while it goes on growing."""
    parser = argparse.ArgumentParser(prog="make bench-collector", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000, help="how large the store shall be")
    parser.add_argument("--round", type=int, default=1_000_000, help="events of one timed round")
    parser.add_argument("--dry", action="store_true", help="do not write docs/collector.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-collector-") as name:
        told = _tables(Path(name), asked.events, asked.round)
    print(told)
    if not asked.dry:
        page = _PAGE.read_text()
        before, after = page.split(_BEGIN)[0], page.split(_END)[1]
        _PAGE.write_text(f"{before}{_BEGIN}\n{told}\n{_END}{after}")


def _tables(folder: Path, events: int, per_round: int) -> str:
    senders = served.enrolled(folder, _HOSTS)
    collector = served.Served(folder)
    try:
        one = uplink.cost(collector)
        rates = _rates(collector, senders, per_round)
        first = sum(rate.events for rate in rates) // _BATCH * 2
        _grow(collector, senders, events - sum(rate.events for rate in rates), first)
        stored, kept = _stored(folder), served.size(folder)
        secret = _secret(folder)
        quiet = answers.ask(collector.web, secret)
        busy = _while_ingesting(collector, senders, secret, first=50_000_000)
        heard = asyncio.run(bulletin.push(collector, senders, folder))
        memory = collector.memory()
    finally:
        collector.stop()
    return "\n\n".join(
        [
            _where(),
            _rate_table(rates),
            _size_line(stored, kept, memory, heard),
            str(one),
            _answer_table(quiet, busy, stored),
        ]
    )


_ROUNDS = (
    (1, 500, False),
    (20, 500, False),
    (100, 500, False),
    (100, 2_000, False),
    (500, 500, False),
    (100, 500, True),
)
"""Hosts, events a batch, recorded or made up."""


def _rates(collector: served.Served, senders: Sequence[Credentials], events: int) -> list[ingest.Rate]:
    rates = []
    for number, (hosts, batch, real) in enumerate(_ROUNDS):
        batches = ingest.made(number * 1_000_000, events, batch, real=real)
        rates.append(asyncio.run(ingest.measure(collector, senders[:hosts], batches, _WINDOW)))
    return rates


def _grow(collector: served.Served, senders: Sequence[Credentials], events: int, first: int) -> None:
    """More runs, a piece at a time, so that what is made beforehand fits into memory."""
    piece = 1_000_000
    for done in range(0, max(events, 0), piece):
        batches = ingest.made(10_000_000 + first + done // _BATCH, piece, _BATCH)
        asyncio.run(ingest.measure(collector, senders, batches, 1))


def _while_ingesting(
    collector: served.Served, senders: Sequence[Credentials], secret: str, first: int
) -> list[answers.Answer]:
    return asyncio.run(_both(collector, senders, secret, first))


async def _both(
    collector: served.Served, senders: Sequence[Credentials], secret: str, first: int
) -> list[answers.Answer]:
    """Twenty hosts go on sending at about 20,000 events a second while the questions are asked."""
    batches = ingest.made(first, 1_000_000, _BATCH)
    asking = asyncio.create_task(asyncio.to_thread(answers.ask, collector.web, secret))
    for begin in range(0, len(batches), 20):
        if asking.done():
            break
        pause = asyncio.create_task(asyncio.sleep(0.5))
        await ingest.measure(collector, senders[:20], batches[begin : begin + 20], 1)
        await pause
    return await asking


def _secret(folder: Path) -> str:
    store = open_all(f"sqlite:///{folder / 'index.db'}", f"days:{folder / 'segments'}")
    secret = store.people.make_token("bench", "bench")
    store.close()
    return secret


def _stored(folder: Path) -> int:
    store = open_all(f"sqlite:///{folder / 'index.db'}", f"days:{folder / 'segments'}")
    with store.engine.connect() as connection:
        stored = connection.exec_driver_sql("SELECT sum(events) FROM segments").scalar()
    store.close()
    return int(stored or 0)


def _where() -> str:
    today = datetime.now(UTC).date()
    return (
        f"Measured {today} on {os.cpu_count()} cores that hosts and collector shared, kernel {platform.release()}, "
        f"Python {platform.python_version()}, load average {os.getloadavg()[0]:.1f} at the end. Runs of one "
        f"batch each over mutual TLS, {_WINDOW} batches in flight a host, acknowledged after a "
        "commit with `synchronous=FULL`."
    )


def _rate_table(rates: Sequence[ingest.Rate]) -> str:
    heads = [
        "hosts",
        "events",
        "of",
        "acknowledged events/s",
        "p50 / p99",
        "CPU, µs/event",
        "payload, bytes/event",
    ]
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join(['---:'] * len(heads))} |"]
    for rate, (_, _, real) in zip(rates, _ROUNDS, strict=True):
        kind = f"{'recorded' if real else 'made-up'} runs of {rate.batch:,}"
        speed, waits = f"{rate.events / rate.seconds:,.0f}", f"{rate.p50_ms:,.0f} / {rate.p99_ms:,.0f} ms"
        told = (
            rate.hosts,
            f"{rate.events:,}",
            kind,
            speed,
            waits,
            f"{rate.cpu_us:.2f}",
            f"{rate.payload:.1f}",
        )
        lines.append(f"| {' | '.join(map(str, told))} |")
    return "\n".join(lines)


def _size_line(stored: int, kept: int, memory: float, heard: tuple[float, float]) -> str:
    return (
        f"On disk: {stored:,} events in {kept / 1e6:,.0f} MB of index and segments, **{kept / stored:.1f} bytes an "
        f"event**; resident memory of the collector {memory:.0f} MB. A block reached {_HOSTS} watching hosts after "
        f"{heard[0]:.2f} s (first) to {heard[1]:.2f} s (last)."
    )


def _answer_table(quiet: Sequence[answers.Answer], busy: Sequence[answers.Answer], stored: int) -> str:
    lines = [
        f"| question, {stored:,} events stored, n = {answers.ROUNDS} | p50 / p95 | while ingesting | answer |"
    ]
    lines.append("| --- | ---: | ---: | ---: |")
    for calm, loaded in zip(quiet, busy, strict=True):
        times = (f"{each.p50_ms:.0f} / {each.p95_ms:.0f} ms" for each in (calm, loaded))
        lines.append(f"| {calm.question} | {' | '.join(times)} | {calm.bytes / 1e3:,.1f} kB |")
    return "\n".join(lines)


main()
