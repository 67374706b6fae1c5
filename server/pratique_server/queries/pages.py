"""Pages of long lists: each begins where the one before ended, so that the thousandth costs as much as the first."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select

from pratique_server import moments
from pratique_server.errors import UsageError

LIMIT, MOST = 50, 500
_TIMES = {
    "started", "ended", "received", "time", "first", "last", "seen", "created", "decided", "expires", "lifted",
    "withdrawn", "observed", "oldest", "used", "disabled", "not_before", "not_after", "revoked",
}  # fmt: skip

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list is wanted: `limit` rows after the one that `cursor` names."""

    cursor: str | None = None
    limit: int = LIMIT


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, and the cursor of those that follow; None when there are no more."""

    items: list[Row]
    cursor: str | None


def newest_first(
    connection: Connection, query: Select[Any], number: ColumnElement[int], window: Window
) -> Page:
    """Rows of `query` by falling `number`, which must be one of its columns."""
    limit = min(max(window.limit, 1), MOST)
    query = query.order_by(number.desc()).limit(limit + 1)
    if window.cursor is not None:
        query = query.where(number < _number(window.cursor))
    rows = [dict(row) for row in connection.execute(query).mappings()]
    more = len(rows) > limit
    return Page([shown(row) for row in rows[:limit]], str(rows[limit - 1]["number"]) if more else None)


def shown(row: Any) -> Row:
    """A row as people and programs see it: times as RFC 3339."""
    return {key: moments.text(value) if key in _TIMES else value for key, value in dict(row).items()}


def _number(cursor: str) -> int:
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > len(str(1 << 62)):
        raise UsageError(f"{cursor!r} is no cursor", "take it from the answer before")
    return int(cursor)
