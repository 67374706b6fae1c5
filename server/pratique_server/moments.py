"""Times: integer microseconds since the epoch in the store, RFC 3339 in UTC for people and programs."""

import time
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
DAY = 86_400 * SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 253_402_300_799 * SECOND


def now() -> int:
    """The moment that it is."""
    return time.time_ns() // 1000


def text(moment: int | None) -> str | None:
    """RFC 3339 to the millisecond; a time no calendar holds is the nearest that one does."""
    if moment is None:
        return None
    date = _EPOCH + timedelta(microseconds=min(max(moment, 0), _LATEST))
    return date.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(written: str) -> int:
    """The moment that RFC 3339 `written` names; `ValueError` when it names none."""
    date = datetime.fromisoformat(written)
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return int((date - _EPOCH) / timedelta(microseconds=1))


def day(moment: int) -> str:
    """The UTC day of a moment, as 2026-11-23."""
    written = text(moment)
    return (written or "")[:10]
