"""New findings in the order they came, and the place a sink has come to, kept where it survives a restart."""

from typing import Any

from sqlalchemy import Engine, select

from pratique_server.queries import findings as questions
from pratique_server.queries.pages import shown
from pratique_server.store.database import insert_of, writing
from pratique_server.store.schema import findings, settings

_AT_ONCE = 200
# Two collectors may commit numbers out of order: look back a little, and skip what was sent.
_BACK = 1_000

Row = dict[str, Any]


class Feed:
    """What a sink has not had yet."""

    def __init__(self, engine: Engine, sink: str) -> None:
        self._engine, self._name = engine, f"feed.{sink}"
        self._sent: set[int] = set()
        self._place = self._begin()

    def next(self) -> list[Row]:
        """At most 200 findings, the oldest first; the same again until `sent` was called."""
        query = questions.listing().where(findings.c.number > self._place - _BACK)
        query = query.where(findings.c.number.not_in(self._sent)) if self._sent else query
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(findings.c.number).limit(_AT_ONCE)).mappings()
            return [shown(row) for row in rows]

    def sent(self, rows: list[Row]) -> None:
        """The sink has them."""
        numbers = {int(row["number"]) for row in rows}
        self._place = max(self._place, *numbers)
        self._sent = {number for number in self._sent | numbers if number > self._place - _BACK}
        row = {"name": self._name, "value": str(self._place)}
        statement = insert_of(self._engine)(settings)
        keep = statement.on_conflict_do_update(
            index_elements=[settings.c.name], set_={"value": statement.excluded.value}
        )
        with writing(self._engine) as connection:
            connection.execute(keep, row)

    def _begin(self) -> int:
        """Where the sink was; a new one begins with what comes from now on."""
        with self._engine.connect() as connection:
            kept = connection.scalar(select(settings.c.value).where(settings.c.name == self._name))
            newest = select(findings.c.number).order_by(findings.c.number.desc()).limit(1)
            place = int(kept) if kept else connection.scalar(newest) or 0
            known = select(findings.c.number).where(
                findings.c.number > place - _BACK, findings.c.number <= place
            )
            self._sent = set(connection.scalars(known))
        return place
