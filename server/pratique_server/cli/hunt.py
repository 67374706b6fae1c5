"""`pratique-server hunt`: make closed days ready, and search all events of them."""

import argparse
import json

from pratique_server.cli import opening
from pratique_server.hunting import compacting
from pratique_server.hunting.hunts import Hunt, hunt


def add_parser(subparsers: opening.Parsers) -> None:
    """Declare `hunt [TEXT]`."""
    parser = subparsers.add_parser("hunt", help="search all events of the days before today (needs DuckDB)")
    parser.add_argument(
        "text", nargs="?", metavar="TEXT", help="anywhere in an event; without it, only make days ready"
    )
    parser.add_argument("--act", help="only this act, for instance net.connect")
    parser.add_argument("--host", metavar="ID", help="only this host")
    parser.add_argument("--since", metavar="DAY", default="", help="first day, as 2026-11-23")
    parser.add_argument("--until", metavar="DAY", default="9999-12-31", help="last day")
    opening.add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Make ready what is not, then one JSON object a line for what was found."""
    folder = opening.config(args).parquet
    with opening.store(args) as store:
        made = compacting.compact(store, folder)
    if args.text is None:
        print(f"{len(made)} days made ready in {folder}")
        return 0
    found = hunt(folder, Hunt(args.text, args.act, args.host, args.since, args.until))
    for event in found["events"]:
        print(json.dumps(event, ensure_ascii=True))
    return 0
