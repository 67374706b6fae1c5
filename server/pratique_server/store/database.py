"""Opening the index: SQLite by default, PostgreSQL by URL; the same tables, brought up to date by the same steps."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config as Steps
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from pratique_server.errors import UsageError

MIGRATIONS = Path(__file__).parent / "migrations"
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_ONE_AT_A_TIME = 0x7072_6174
_BUSY_MS = 30_000
_CONNECT_SECONDS = 5
_CACHE_KIB = 64 * 1024


def connect(url: str, *, pool: int = 8) -> Engine:
    """An engine for `url`; `UsageError` when it names nothing that is supported."""
    try:
        made = make_url(url)
        driver = _DRIVERS[made.get_backend_name()]
    except (ArgumentError, KeyError) as error:
        raise UsageError(
            f"{url!r} is no database", "sqlite:///FILE or postgresql://USER@HOST/NAME"
        ) from error
    if driver == "sqlite":
        engine = create_engine(made, pool_size=pool, connect_args={"timeout": _BUSY_MS / 1000})
        event.listen(engine, "connect", _durable)
        event.listen(engine, "begin", _begin)
        return engine
    patience = {"connect_timeout": _CONNECT_SECONDS}
    return create_engine(
        made.set(drivername=driver), pool_size=pool, pool_pre_ping=True, connect_args=patience
    )


def insert_of(engine: Engine) -> Any:
    """The INSERT of this database that knows ON CONFLICT: both spell it alike, neither in the common part."""
    return sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


def migrate(engine: Engine) -> None:
    """Bring the tables up to date; of several collectors that start at once, one does it and the others wait."""
    steps = Steps()
    steps.set_main_option("script_location", str(MIGRATIONS))
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})
        steps.attributes["connection"] = connection
        command.upgrade(steps, "head")


def _durable(connection: sqlite3.Connection, _: object) -> None:
    """WAL lets readers go on beside the writer; FULL makes a commit mean what we tell the agents it means."""
    connection.isolation_level = None  # transactions are begun by `_begin`, not guessed by the driver
    with closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")


def _begin(connection: Connection) -> None:
    """Writers say so at once: a reader that became a writer in mid-transaction could only fail."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
