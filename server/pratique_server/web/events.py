"""The events of one run, out of its segments: as many as a page can use, and what is missing is said."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import zstandard
from sqlalchemy import Connection, select

from pratique.api import columns, wire
from pratique.api.columns import Row
from pratique_server.errors import StoreError
from pratique_server.store.schema import segments
from pratique_server.store.segments import SegmentStore

MOST = 400_000
_HELD = 4


@dataclass(frozen=True, slots=True)
class Events:
    """Events in the order in which they happened."""

    rows: Sequence[Row]
    missing: int
    """Segments that are gone or damaged."""
    cut: int
    """Events that were left out because there are too many."""


class EventReader:
    """Reads the events of runs, and remembers the last few runs that somebody looked at."""

    def __init__(self, store: SegmentStore) -> None:
        self._store = store
        self._held: dict[tuple[int, int], Events] = {}
        self._lock = Lock()

    def of(self, connection: Connection, run: int, most: int = MOST) -> Events:
        """The events of a run, as far as they have arrived."""
        query = select(segments).where(segments.c.run == run).order_by(segments.c.seq)
        found = connection.execute(query).mappings().all()
        key = (run, sum(row["events"] for row in found))
        with self._lock:
            known = self._held.get(key)
        if known is None:
            known = self._read(found, most)
            self._keep(key, known)
        return known

    def _read(self, found: Sequence[Any], most: int) -> Events:
        rows: list[Row] = []
        missing = cut = 0
        for segment in found:
            if len(rows) + segment["events"] > most:
                cut += segment["events"]
                continue
            decoded = self._decoded(segment)
            missing += decoded is None
            rows += decoded or ()
        rows.sort(key=lambda row: row.time_us)
        return Events(rows, missing, cut)

    def _decoded(self, segment: Any) -> Sequence[Row] | None:
        if not segment["events"]:
            return ()
        try:
            data = self._store.get(segment["location"], segment["digest"])
            size = zstandard.frame_content_size(data)
            return tuple(columns.decode(data, segment["events"], size).rows())
        except (StoreError, wire.WireError, zstandard.ZstdError):
            return None

    def _keep(self, key: tuple[int, int], events: Events) -> None:
        with self._lock:
            self._held[key] = events
            while len(self._held) > _HELD:
                self._held.pop(next(iter(self._held)))
