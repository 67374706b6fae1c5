"""The whole store, opened: index, segments, and what can be asked and told."""

from sqlalchemy import Engine

from pratique_server.store import database
from pratique_server.store.decisions import Decisions
from pratique_server.store.enrolment import Enrolment
from pratique_server.store.people import People
from pratique_server.store.segments import SegmentStore, open_store
from pratique_server.store.writing import Writer


class Store:
    """One index and one segment store; everything but the writer may be used by any thread."""

    def __init__(self, engine: Engine, segments: SegmentStore) -> None:
        self.engine, self.segments = engine, segments
        self.writer = Writer(engine, segments)
        self.enrolment = Enrolment(engine)
        self.people = People(engine)
        self.decisions = Decisions(engine)

    def close(self) -> None:
        """Let go of connections and files."""
        self.segments.close()
        self.engine.dispose()


def open_all(index: str, segments: str) -> Store:
    """Open both by URL, and bring the index up to date."""
    engine = database.connect(index)
    database.migrate(engine)
    return Store(engine, open_store(segments))
