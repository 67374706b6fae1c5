"""Questions about every event: one text anywhere, narrowed by act, host or time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pratique_server import moments
from pratique_server.errors import UsageError
from pratique_server.hunting.compacting import COLUMNS, duckdb

_SEARCHED = ("comm", "exe", "argv", "path", "target", "address", "name", "rule")
_SHORTEST, _LONGEST, _MOST = 3, 256, 1_000
_MEMORY = "1GB"


@dataclass(frozen=True, slots=True)
class Hunt:
    """What is sought; None: whatever."""

    text: str
    act: str | None = None
    host: str | None = None
    first_day: str = ""
    last_day: str = "9999-12-31"


def hunt(folder: Path, wanted: Hunt) -> dict[str, Any]:
    """At most 1,000 events that contain the text, the oldest first, and how many there are."""
    if not _SHORTEST <= len(wanted.text) <= _LONGEST:
        raise UsageError("what is hunted is too short or too long", f"{_SHORTEST} to {_LONGEST} characters")
    files = [
        str(path)
        for path in sorted(folder.glob("????-??-??.parquet"))
        if wanted.first_day <= path.stem <= wanted.last_day
    ]
    told = {"days": len(files), "total": 0, "runs": 0, "hosts": 0, "events": []}
    return told | _asked(files, wanted) if files else told


def _asked(files: list[str], wanted: Hunt) -> dict[str, Any]:
    where = " OR ".join(f"contains({column}, $text)" for column in _SEARCHED)
    where = f"({where}) AND ($act IS NULL OR act = $act) AND ($host IS NULL OR host = $host)"
    given = {"files": files, "text": wanted.text, "act": wanted.act, "host": wanted.host}
    with duckdb().connect(config={"memory_limit": _MEMORY, "threads": 1}) as connection:
        # What is formatted in are names of our own columns; what people ask is bound.
        connection.execute(
            f"CREATE TEMP TABLE found AS SELECT * FROM read_parquet($files) WHERE {where}",  # noqa: S608
            given,
        )
        total, runs, hosts = connection.execute(
            "SELECT count(*), count(DISTINCT run), count(DISTINCT host) FROM found"
        ).fetchone()
        rows = connection.execute(f"SELECT * FROM found ORDER BY time LIMIT {_MOST}").fetchall()  # noqa: S608
    return {"total": total, "runs": runs, "hosts": hosts, "events": [_event(row) for row in rows]}


def _event(row: tuple[Any, ...]) -> dict[str, Any]:
    known = {name: value for name, value in zip(COLUMNS, row, strict=True) if value not in (None, "")}
    return {**known, "time": moments.text(known.get("time"))}
