"""The events of a run: the only question that opens segments."""

from collections.abc import Iterator
from typing import Any

import zstandard
from sqlalchemy import Connection, select, update

from pratique.api import columns, wire
from pratique_server import moments, wording
from pratique_server.errors import StoreError
from pratique_server.store.database import writing
from pratique_server.store.schema import segments
from pratique_server.store.segments import SegmentStore
from pratique_server.store.store import Store

_TEXTS = ("comm", "exe", "interp", "cwd", "path", "to", "address", "name", "protocol", "request", "more")
_NUMBERS = ("port", "errno", "status", "victim")


def after(connection: Connection, store: Store, run: int, seq: int) -> dict[str, Any]:
    """The events of the first segment after `seq`; a segment that is damaged is set aside, and said to be."""
    query = select(segments).where(segments.c.run == run, segments.c.seq > seq).order_by(segments.c.seq)
    row = connection.execute(query.limit(1)).mappings().one_or_none()
    if row is None:
        return {"batch": None, "events": [], "damaged": None}
    try:
        events = list(_decoded(store.segments, row))
    except (StoreError, wire.WireError) as error:
        _set_aside(store, run, row["seq"])
        return {"batch": row["seq"], "events": [], "damaged": str(error)}
    return {"batch": row["seq"], "events": events, "damaged": None}


def _decoded(store: SegmentStore, row: Any) -> Iterator[dict[str, Any]]:
    if row["events"] == 0:
        return
    payload = store.get(row["location"], row["digest"])
    size = zstandard.frame_content_size(payload)
    for event in columns.decode(payload, row["events"], size).rows():
        yield _event(event)


def _event(event: columns.Row) -> dict[str, Any]:
    """An event with what it has; unknown is left out, never guessed."""
    shape = event.shape
    known: dict[str, Any] = {
        "time": moments.text(event.time_us),
        "kind": wording.kind(shape.kind),
        "stage": wording.stage(shape.stage),
        "actor": wording.actor(shape.actor),
        "act": wording.act(shape.act),
        "action": wording.done(shape.action),
        "level": wording.level(shape.level),
        "rule": shape.rule or None,
        "groups": list(shape.groups),
        "pid": event.pid,
        "parent": event.ppid or None,
        "origin": event.origin or None,
        "argv": list(event.argv) or None,
        **{name: getattr(event, name) or None for name in (*_TEXTS, *_NUMBERS)},
    }
    return {key: value for key, value in known.items() if value not in (None, [])}


def _set_aside(store: Store, run: int, seq: int) -> None:
    known = (segments.c.run == run, segments.c.seq == seq)
    with writing(store.engine) as connection:
        connection.execute(update(segments).where(*known).values(damaged=True))
