"""The options every sub-command has, and the store they lead to."""

import argparse
import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pratique_server import moments
from pratique_server.config import Config
from pratique_server.store.store import Store, open_all

Parsers = Any
"""What argparse calls a sub-parsers action: a private name of its own."""


def add_store(parser: argparse.ArgumentParser) -> None:
    """Declare where the store is; the environment may say so for all sub-commands."""
    parser.add_argument("--data", metavar="DIR", type=Path, help="data directory [$PRATIQUE_SERVER_DATA]")
    parser.add_argument(
        "--database", metavar="URL", help="PostgreSQL for the index [$PRATIQUE_SERVER_DATABASE]"
    )
    parser.add_argument("--segments", metavar="URL", help="where segments lie [$PRATIQUE_SERVER_SEGMENTS]")


def config(args: argparse.Namespace) -> Config:
    """What the options and the environment say of the store."""
    said = os.environ
    data = args.data or Path(said.get("PRATIQUE_SERVER_DATA") or _default())
    return replace(
        Config(data.absolute()),
        database=args.database or said.get("PRATIQUE_SERVER_DATABASE", ""),
        segments=args.segments or said.get("PRATIQUE_SERVER_SEGMENTS", ""),
    )


@contextmanager
def store(args: argparse.Namespace) -> Iterator[Store]:
    """The store, for as long as a sub-command needs it; several processes may have it open at once."""
    configured = config(args)
    configured.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    opened = open_all(configured.index_url, configured.segments_url)
    try:
        yield opened
    finally:
        opened.close()


def me() -> str:
    """Whoever types, for the record."""
    return getpass.getuser()


def table(rows: list[dict[str, Any]], *columns: str) -> None:
    """Print rows as aligned columns; what hosts said of themselves is escaped."""
    lines = [columns, *([_cell(column, row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, int) and column in _TIMES:
        return moments.text(value) or "-"
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in str(value)
    )


_TIMES = {"created", "expires", "used", "seen", "disabled", "time", "decided"}


def _default() -> str:
    if os.geteuid() == 0:
        return "/var/lib/pratique-server"
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return f"{state}/pratique-server"
