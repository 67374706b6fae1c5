"""Forgetting what is older than it shall be kept: rows in small steps, segments by the day."""

from sqlalchemy import Connection, Engine, Table, delete, select

from pratique_server import moments
from pratique_server.store import totals
from pratique_server.store.database import writing
from pratique_server.store.schema import alerts, findings, run_packages, runs, segments, sightings
from pratique_server.store.segments import SegmentStore

_AT_ONCE = 500
_OF_RUNS: tuple[Table, ...] = (segments, findings, sightings, run_packages, alerts)


def forget(engine: Engine, store: SegmentStore, before: int) -> int:
    """Forget runs that came before a moment, and the days of segments that lie wholly before it; how many runs."""
    forgotten = 0
    while numbers := _some(engine, before):
        with writing(engine) as connection:
            _drop(connection, numbers)
        forgotten += len(numbers)
    for day in store.days():
        if day < moments.day(before) and not _wanted(engine, day):
            store.drop(day)
    return forgotten


def _some(engine: Engine, before: int) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(select(runs.c.number).where(runs.c.received < before).limit(_AT_ONCE)))


def _drop(connection: Connection, numbers: list[int]) -> None:
    totals.forget(connection, numbers)
    for table in _OF_RUNS:
        connection.execute(delete(table).where(table.c.run.in_(numbers)))
    connection.execute(delete(runs).where(runs.c.number.in_(numbers)))


def _wanted(engine: Engine, day: str) -> bool:
    """A run that began before and went on after the moment is kept whole."""
    with engine.connect() as connection:
        return (
            connection.execute(select(segments.c.run).where(segments.c.location == day).limit(1)).first()
            is not None
        )
