"""The spool's file: opened durable and bounded; when it is damaged it is set aside, whole, and a new one begun."""

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from pratique.runs import ulid

PAGE = 4096
_SMALLEST = 64
_WAIT = 5.0
_CHECKPOINT = 256
_KEPT = 2
_SUFFIXES = ("", "-wal", "-shm")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, seq INTEGER NOT NULL, rank INTEGER NOT NULL,
    records INTEGER NOT NULL, size INTEGER NOT NULL, made REAL NOT NULL, message BLOB NOT NULL, aside TEXT,
    UNIQUE (run, seq)
);
CREATE INDEX IF NOT EXISTS waiting ON batch (rank, id) WHERE aside IS NULL;
CREATE TABLE IF NOT EXISTS gap (
    id TEXT PRIMARY KEY, run TEXT NOT NULL, reason INTEGER NOT NULL, batches INTEGER NOT NULL,
    records INTEGER NOT NULL, bytes INTEGER NOT NULL, since REAL NOT NULL, until REAL NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0
);
"""


def opened(path: Path, bound: int, *, thorough: bool) -> tuple[sqlite3.Connection, str | None]:
    """The base in `path` of at most `bound` bytes, and what was wrong if it had to be begun anew.

    `thorough` reads all of it first: an uplink does so once, a run that ends has no time for it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return _open(path, bound, thorough=thorough), None
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise
        said = _set_aside(path, bound, error)
        return _open(path, bound, thorough=False), said


@contextmanager
def change(base: sqlite3.Connection) -> Iterator[None]:
    """A transaction that is on stable storage when the block is left."""
    base.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite may have rolled back itself
            base.execute("ROLLBACK")
        raise
    base.execute("COMMIT")


def _open(path: Path, bound: int, *, thorough: bool) -> sqlite3.Connection:
    base = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
    try:
        base.execute(f"PRAGMA page_size = {PAGE}")
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = FULL")
        base.execute(f"PRAGMA max_page_count = {max(bound // PAGE, _SMALLEST)}")
        base.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")
        base.execute(f"PRAGMA journal_size_limit = {4 << 20}")
        if thorough and (said := base.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(f"malformed: {said}")
        base.executescript(_SCHEMA)
        path.chmod(0o600)
    except BaseException:
        base.close()
        raise
    return base


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """A full disk or a locked file is no damage: setting the spool aside would lose what is well."""
    return not isinstance(error, sqlite3.OperationalError) or "malformed" in str(error)


def _set_aside(path: Path, bound: int, error: sqlite3.DatabaseError) -> str | None:
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(sqlite3.DatabaseError), closing(_open(path, bound, thorough=True)):
            return None  # another process was faster
        name = f"{path.name}.damaged-{ulid.make(time.time())}"
        for suffix in _SUFFIXES:
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(path.with_name(name + suffix))
    _forget_old(path)
    return f"{path} was damaged ({error}); it is now {name}"


def _forget_old(path: Path) -> None:
    held = sorted(each for each in path.parent.glob(f"{path.name}.damaged-*") if ulid.valid(each.name[-26:]))
    for old in held[:-_KEPT]:
        for suffix in _SUFFIXES:
            old.with_name(old.name + suffix).unlink(missing_ok=True)
