"""Segments in PostgreSQL, a partition per day: the middle size, where one database is all there is to run."""

import re
from collections.abc import Sequence

import psycopg
from psycopg import sql

from pratique_server import moments
from pratique_server.errors import StoreError
from pratique_server.store.segments import Arrived, by_day, checked

_TABLE = (
    "CREATE TABLE IF NOT EXISTS segment_bytes (day text NOT NULL, digest bytea NOT NULL, data bytea NOT NULL, "
    "PRIMARY KEY (day, digest)) PARTITION BY LIST (day)"
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TRIES = 3
_ONE_AT_A_TIME = 0x7365_676D


class Partitions:
    """A partitioned table of compressed bytes that PostgreSQL need not compress again."""

    def __init__(self, url: str) -> None:
        self._url = url.replace("postgresql+psycopg:", "postgresql:", 1)
        self._connection: psycopg.Connection | None = None
        self._days: set[str] = set()

    def put(self, arrived: Sequence[Arrived]) -> list[str]:
        """Store durably, all in one transaction; a connection that was lost is made anew."""
        for attempt in range(_TRIES):
            try:
                self._put(arrived)
                break
            except psycopg.Error as error:
                self.close()
                if attempt + 1 == _TRIES:
                    raise StoreError("the segments could not be written", str(error)) from error
        return [moments.day(moment) for _, moment in arrived]

    def get(self, location: str, digest: bytes) -> bytes:
        """The bytes of one segment, read beside the writer."""
        query = "SELECT data FROM segment_bytes WHERE day = %s AND digest = %s"
        try:
            with psycopg.connect(self._url) as connection:
                row = connection.execute(query, (location, digest)).fetchone()
        except psycopg.Error as error:
            raise StoreError("the segment cannot be read", str(error)) from error
        return checked(bytes(row[0]) if row else None, location, digest)

    def days(self) -> list[str]:
        """The days there are."""
        query = (
            "SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid "
            "JOIN pg_class p ON p.oid = i.inhparent WHERE p.relname = 'segment_bytes'"
        )
        with psycopg.connect(self._url) as connection:
            found = [_DAY.search(bound) for (bound,) in connection.execute(query)]
        return sorted(match.group() for match in found if match)

    def drop(self, location: str) -> None:
        """Drop the partition of a day."""
        with psycopg.connect(self._url) as connection:
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(_name(location)))
        self._days.discard(location)

    def close(self) -> None:
        """Close the connection that writes."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._days = set()

    def _put(self, arrived: Sequence[Arrived]) -> None:
        if self._connection is None:
            self._connection = psycopg.connect(self._url)
        with self._connection.transaction(), self._connection.cursor() as cursor:
            for day, segments in by_day(arrived).items():
                self._make(cursor, day)
                rows = sorted({(day, segment.digest, segment.data) for segment in segments})
                cursor.executemany(
                    "INSERT INTO segment_bytes VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", rows
                )
        self._days |= set(by_day(arrived))
        self._connection.commit()

    def _make(self, cursor: psycopg.Cursor, day: str) -> None:
        """Make the partition of a day; collectors that meet at midnight wait for each other."""
        if day in self._days:
            return
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_ONE_AT_A_TIME,))
        cursor.execute(_TABLE)
        partition = sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF segment_bytes FOR VALUES IN ({})")
        cursor.execute(partition.format(_name(day), sql.Literal(day)))
        external = sql.SQL("ALTER TABLE {} ALTER COLUMN data SET STORAGE EXTERNAL")
        cursor.execute(external.format(_name(day)))


def _name(day: str) -> sql.Identifier:
    return sql.Identifier("segment_bytes_" + day.replace("-", "_"))
