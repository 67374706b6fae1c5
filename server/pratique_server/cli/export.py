"""`pratique-server export`: what is stored, as JSON lines, the newest first, for other programs."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection

from pratique_server import moments
from pratique_server.cli import opening
from pratique_server.errors import UsageError
from pratique_server.exports import shapes
from pratique_server.queries import events, findings, fleet, packages, runs
from pratique_server.queries.pages import MOST, Page, Window
from pratique_server.store.store import Store

_LISTS: dict[str, Callable[[Connection, Window], Page]] = {
    "runs": lambda connection, window: runs.listed(connection, runs.Filter(), window),
    "findings": lambda connection, window: findings.listed(connection, findings.Filter(), window),
    "packages": lambda connection, window: packages.listed(connection, None, window),
    "hosts": fleet.listed,
    "audit": fleet.record,
}
_TIMES = {"runs": "received", "findings": "time", "packages": "first", "hosts": "created", "audit": "time"}


def add_parser(subparsers: opening.Parsers) -> None:
    """Declare `export WHAT`."""
    parser = subparsers.add_parser(
        "export", help="runs, findings, packages, hosts, audit or one run's events"
    )
    parser.add_argument("what", choices=(*_LISTS, "events"))
    parser.add_argument("--run", metavar="ID", help="for events: of this run")
    parser.add_argument("--format", choices=("jsonl", "ocsf"), default="jsonl", help="ocsf: findings only")
    parser.add_argument("--since", metavar="TIME", help="RFC 3339; the oldest wanted")
    opening.add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Write one JSON object a line."""
    if args.what == "events" and not args.run:
        raise UsageError("events of which run?", "--run ID")
    if args.format == "ocsf" and args.what != "findings":
        raise UsageError("only findings have an OCSF shape", "--format jsonl")
    try:
        since = None if args.since is None else moments.parse(args.since)
    except ValueError:
        raise UsageError(f"{args.since!r} is no time", "for instance 2026-11-23T12:00:00Z") from None
    with opening.store(args) as store:
        rows = _events(store, args.run) if args.what == "events" else _rows(store, args.what)
        for row in rows:
            if since is not None and (row.get(_TIMES.get(args.what, "time")) or "") < (
                moments.text(since) or ""
            ):
                break
            told = shapes.ocsf(row) if args.format == "ocsf" else row
            sys.stdout.write(json.dumps(told, ensure_ascii=True) + "\n")
    return 0


def _rows(store: Store, what: str) -> Iterator[dict[str, Any]]:
    """Page by page, each in a transaction of its own: an export may take an hour."""
    window: Window | None = Window(limit=MOST)
    while window is not None:
        with store.engine.connect() as connection:
            page = _LISTS[what](connection, window)
        yield from page.items
        window = Window(page.cursor, MOST) if page.cursor else None


def _events(store: Store, run_id: str) -> Iterator[dict[str, Any]]:
    with store.engine.connect() as connection:
        number, after = runs.find(connection, run_id)["number"], 0
        while True:
            found = events.after(connection, store, number, after)
            if found["batch"] is None:
                return
            after = found["batch"]
            if found["damaged"]:
                print(f"pratique-server: batch {after}: {found['damaged']}", file=sys.stderr)
            yield from found["events"]
