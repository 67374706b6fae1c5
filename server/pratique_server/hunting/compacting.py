"""Closed days as Parquet: every event a row, in columns that a search reads without the others."""

import csv
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard
from sqlalchemy import select

from pratique.api import columns, wire
from pratique_server import moments, wording
from pratique_server.errors import StoreError, UsageError
from pratique_server.store.schema import hosts, runs, segments
from pratique_server.store.store import Store

_log = logging.getLogger(__name__)
_NUMBERS = {"time": "BIGINT", "pid": "BIGINT", "port": "INTEGER"}
_NAMES = "host run time kind stage actor act action rule pid comm exe argv path target address port name"
COLUMNS = {name: _NUMBERS.get(name, "VARCHAR") for name in _NAMES.split()}
_LONGEST_LINE = 4 << 20


def duckdb() -> Any:
    """The library; `UsageError` where it is not installed."""
    try:
        import duckdb as library  # noqa: PLC0415 -- an extra: only who hunts needs it
    except ImportError:
        raise UsageError("hunts need DuckDB", "pip install 'pratique[server,hunt]'") from None
    return library


def compact(store: Store, folder: Path) -> list[str]:
    """Make what is missing of the days before today; which were made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    today = moments.day(moments.now())
    made = []
    for day in store.segments.days():
        if day < today and not (folder / f"{day}.parquet").exists():
            compact_day(store, folder, day)
            made.append(day)
    return made


def compact_day(store: Store, folder: Path, day: str) -> None:
    """One day, whole or not at all."""
    library = duckdb()
    rows, fresh = folder / f".{day}.csv", folder / f".{day}.parquet"
    try:
        with rows.open("w", newline="", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            csv.writer(file).writerows(_rows(store, day))
        with library.connect() as connection:
            _convert(connection, rows, fresh)
        fresh.rename(folder / f"{day}.parquet")
    finally:
        rows.unlink(missing_ok=True)
        fresh.unlink(missing_ok=True)


def _convert(connection: Any, rows: Path, target: Path) -> None:
    """What is formatted in are our own words and paths; what hosts said stays in the file."""
    named = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    options = f"header=false, delim=',', quote='\"', escape='\"', max_line_size={_LONGEST_LINE}"
    read = f"SELECT * FROM read_csv('{rows}', columns={{{named}}}, {options})"  # noqa: S608
    connection.execute(f"COPY ({read}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")


def _rows(store: Store, day: str) -> Iterator[tuple[Any, ...]]:
    query = (
        select(hosts.c.id, runs.c.id, segments.c.events, segments.c.digest)
        .select_from(segments.join(runs).join(hosts, hosts.c.number == runs.c.host))
        .where(segments.c.location == day, segments.c.events > 0)
        .order_by(segments.c.run, segments.c.seq)
    )
    with store.engine.connect() as connection:
        for host, run, events, digest in connection.execute(query):
            try:
                payload = store.segments.get(day, digest)
                held = columns.decode(payload, events, zstandard.frame_content_size(payload))
            except (StoreError, wire.WireError) as error:
                _log.warning("a batch of run %s is left out: %s", run, error)
                continue
            yield from (_row(host, run, event) for event in held.rows())


def _row(host: str, run: str, event: columns.Row) -> tuple[Any, ...]:
    shape = event.shape
    texts = (event.comm, event.exe, " ".join(event.argv), event.path, event.to, event.address)
    return (
        host, run, event.time_us, wording.kind(shape.kind), wording.stage(shape.stage), wording.actor(shape.actor),
        wording.act(shape.act), wording.done(shape.action), _clean(shape.rule), event.pid, *map(_clean, texts),
        event.port or None, _clean(event.name),
    )  # fmt: skip


def _clean(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
