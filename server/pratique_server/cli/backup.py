"""`pratique-server backup`: a consistent copy of a data directory, made while the collector serves."""

import argparse
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from pratique_server.cli import opening
from pratique_server.errors import UsageError


def add_parser(subparsers: opening.Parsers) -> None:
    """Declare `backup DIR`."""
    parser = subparsers.add_parser("backup", help="copy index, segments and authority, while serving")
    parser.add_argument("target", metavar="DIR", type=Path, help="a directory that does not exist yet")
    opening.add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Copy; the copy can be served as it is."""
    configured = opening.config(args)
    if configured.database:
        raise UsageError(
            "a PostgreSQL is backed up by its own tools", "pg_dump, or its continuous archive; and copy pki/"
        )
    if not configured.data.is_dir():
        raise UsageError(f"there is no {configured.data}", "--data DIR")
    try:
        args.target.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise UsageError(f"{args.target} is there already", "name a new directory") from None
    # The index first: a segment it knows was stored before it, so the copy lacks none.
    copied = [_copy(configured.data / "index.db", args.target / "index.db")]
    (args.target / "segments").mkdir(mode=0o700)
    days = sorted((configured.data / "segments").glob("*.db"))
    copied += [_copy(day, args.target / "segments" / day.name) for day in days]
    shutil.copytree(configured.data / "pki", args.target / "pki")
    print(f"{len(copied)} files, {sum(copied) / 1e6:.1f} MB in {args.target}")
    return 0


def _copy(source: Path, target: Path) -> int:
    """SQLite's own online copy: whole, though somebody writes."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new, pages=4096)
    target.chmod(0o600)
    return target.stat().st_size
