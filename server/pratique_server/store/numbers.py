"""From names to row numbers: asked of the database once, remembered only after the commit that made them."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Table, select, tuple_

_MOST = 200_000
_AT_ONCE = 400


class Numbers:
    """The numbers of the rows of one table, by the columns that name a row."""

    def __init__(self, table: Table, insert: Any, *key: str) -> None:
        self._table, self._key = table, key
        names = [table.c[name] for name in key]
        unless_there = insert(table).on_conflict_do_nothing(index_elements=names)
        self._insert = unless_there.returning(table.c.number, *names)
        self._named = names[0] if len(names) == 1 else tuple_(*names)
        self._select = select(table.c.number, *names)
        self._known: dict[Hashable, int] = {}
        self._fresh: dict[Hashable, int] = {}
        self.made: set[int] = set()
        """Numbers of the rows that this very transaction made: nothing refers to them yet."""

    def of(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> dict[Hashable, int]:
        """Numbers of `rows` by key, made where they are missing; a row's other columns are used only then."""
        wanted = {self._key_of(row): row for row in rows}
        missing = sorted((key for key in wanted if self._seen(key) is None), key=repr)
        if missing:
            # Sorted, so that two collectors on one database wait for each other and never in a ring.
            inserted = connection.execute(self._insert, [wanted[key] for key in missing])
            self.made |= self._note(inserted)
            self._look_up(connection, [key for key in missing if key not in self._fresh])
        return {key: self._fresh.get(key) or self._known[key] for key in wanted}

    def keep(self) -> None:
        """The transaction was committed: what it made may be remembered."""
        if len(self._known) > _MOST:
            self._known.clear()
        self._known |= self._fresh
        self._fresh, self.made = {}, set()

    def drop(self) -> None:
        """The transaction was rolled back, or rows went away: remember nothing."""
        self._known, self._fresh, self.made = {}, {}, set()

    def _seen(self, key: Hashable) -> int | None:
        return self._fresh.get(key) or self._known.get(key)

    def _key_of(self, row: Mapping[str, Any]) -> Hashable:
        return row[self._key[0]] if len(self._key) == 1 else tuple(row[name] for name in self._key)

    def _look_up(self, connection: Connection, keys: list[Hashable]) -> None:
        for begin in range(0, len(keys), _AT_ONCE):
            few = keys[begin : begin + _AT_ONCE]
            self._note(connection.execute(self._select.where(self._named.in_(few))))

    def _note(self, rows: Iterable[Any]) -> set[int]:
        found = {names[0] if len(names) == 1 else tuple(names): number for number, *names in rows}
        self._fresh |= found
        return set(found.values())
