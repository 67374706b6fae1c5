"""Where the agents' compressed batches lie: by what they contain, in places that are dropped as a whole, by day."""

import hashlib
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from pratique_server import moments
from pratique_server.errors import StoreError, UsageError
from pratique_server.store.records import Segment

_PAGE = 2048
"""Half of SQLite's own: the last page of each segment is half empty, and segments are small."""

Arrived = tuple[Segment, int]
"""A segment, and when it came."""


class SegmentStore(Protocol):
    """Keeps segments under their digest; putting the same again changes nothing."""

    def put(self, arrived: Sequence[Arrived]) -> list[str]:
        """Store durably; the location of each."""

    def get(self, location: str, digest: bytes) -> bytes:
        """The bytes; `StoreError` when they are gone or not what was put."""

    def days(self) -> list[str]:
        """The locations there are, oldest first."""

    def drop(self, location: str) -> None:
        """Forget everything at a location."""

    def close(self) -> None:
        """Let go of files and connections."""


def checked(data: bytes | None, location: str, digest: bytes) -> bytes:
    """The bytes if they are what was put; a store never hands on what rotted."""
    if data is None:
        raise StoreError(f"segment {digest.hex()[:12]} of {location} is gone", "restore it from a backup")
    if hashlib.sha256(data).digest() != digest:
        raise StoreError(f"segment {digest.hex()[:12]} of {location} is damaged", "restore it from a backup")
    return data


def by_day(arrived: Iterable[Arrived]) -> dict[str, list[Segment]]:
    """Segments by the day they came: hosts' clocks may be off by days, ours decides what is kept how long."""
    groups: dict[str, list[Segment]] = defaultdict(list)
    for segment, moment in arrived:
        groups[moments.day(moment)].append(segment)
    return groups


class DayFiles:
    """One SQLite file per day: dropping a day is removing a file, and nothing has to be compacted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._open: dict[str, sqlite3.Connection] = {}
        self._lock = threading.Lock()

    def put(self, arrived: Sequence[Arrived]) -> list[str]:
        """Store durably, each day in one transaction."""
        with self._lock:
            for day, segments in by_day(arrived).items():
                rows = [(segment.digest, segment.data) for segment in segments]
                try:
                    with self._connection(day) as connection:
                        connection.executemany("INSERT OR IGNORE INTO segments VALUES (?, ?)", rows)
                except sqlite3.Error as error:
                    raise StoreError(f"the segments of {day} could not be written", str(error)) from error
        return [moments.day(moment) for _, moment in arrived]

    def get(self, location: str, digest: bytes) -> bytes:
        """The bytes of one segment."""
        path = self._path(location)
        row = None
        if path.exists():
            try:
                with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
                    row = connection.execute(
                        "SELECT data FROM segments WHERE digest = ?", (digest,)
                    ).fetchone()
                connection.close()
            except sqlite3.Error as error:
                raise StoreError(f"{path.name} is damaged", str(error)) from error
        return checked(row[0] if row else None, location, digest)

    def days(self) -> list[str]:
        """The days there are."""
        return sorted(path.stem for path in self._folder.glob("????-??-??.db"))

    def drop(self, location: str) -> None:
        """Remove the file of a day."""
        with self._lock:
            connection = self._open.pop(location, None)
            if connection is not None:
                connection.close()
            for end in ("", "-wal", "-shm"):
                path = self._path(location)
                path.with_name(path.name + end).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files that are open."""
        with self._lock:
            for connection in self._open.values():
                connection.close()
            self._open.clear()

    def _path(self, day: str) -> Path:
        return self._folder / f"{day}.db"

    def _connection(self, day: str) -> sqlite3.Connection:
        """The connection that writes a day; only today's and a neighbour's stay open."""
        if day not in self._open:
            while len(self._open) > 1:
                self._open.pop(min(self._open)).close()
            connection = sqlite3.connect(self._path(day), check_same_thread=False)
            connection.execute(f"PRAGMA page_size={_PAGE}")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS segments (digest BLOB PRIMARY KEY, data BLOB NOT NULL)"
            )
            self._open[day] = connection
        return self._open[day]


def open_store(url: str) -> SegmentStore:
    """Open the store that `url` names: days:FOLDER, folder:FOLDER or postgresql://USER@HOST/NAME."""
    scheme = urlsplit(url).scheme
    if scheme == "days":
        return DayFiles(Path(url.removeprefix("days:")))
    if scheme == "folder":
        from pratique_server.store.folder import Folder  # noqa: PLC0415 -- each store loads what it needs

        return Folder(Path(url.removeprefix("folder:")))
    if scheme.startswith("postgres"):
        from pratique_server.store.partitions import Partitions  # noqa: PLC0415 -- as above

        return Partitions(url)
    raise UsageError(
        f"{url!r} is no segment store", "days:FOLDER, folder:FOLDER or postgresql://USER@HOST/NAME"
    )
