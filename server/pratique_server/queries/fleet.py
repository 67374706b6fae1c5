"""Hosts, and how the whole stands: what people look at first."""

import json
from typing import Any

import zstandard
from sqlalchemy import Connection, func, select

from pratique_server import moments
from pratique_server.errors import MissingError
from pratique_server.queries import pages
from pratique_server.queries.pages import Page, Window, newest_first, shown
from pratique_server.store.schema import (
    applications,
    audit,
    certificates,
    findings,
    gaps,
    hosts,
    tallies,
)

_LARGEST = 1 << 20
_ENOUGH = 1_000
_TREND = 14
_SILENT = 3_600 * moments.SECOND
_LISTED = [hosts.c[name] for name in (
    "number", "id", "name", "state", "created", "seen", "agent", "kernel", "backend", "skew", "spool_bytes",
    "spool_batches", "oldest",
)]  # fmt: skip


def listed(connection: Connection, window: Window, state: str | None = None) -> Page:
    """Hosts, the newest first."""
    query = select(*_LISTED)
    if state is not None:
        query = query.where(hosts.c.state == state)
    return newest_first(connection, query, hosts.c.number, window)


def one(connection: Connection, host: str) -> dict[str, Any]:
    """A host: what guards it, what it dropped, what of our decisions it has applied, its certificates."""
    query = select(*_LISTED, hosts.c.coverage).where(hosts.c.id == host)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise MissingError(f"there is no host {host}")
    known, number = shown(row), row["number"]
    coverage = known.pop("coverage")
    told = (select(table).where(table.c.host == number) for table in (gaps, applications, certificates))
    dropped, applied, certified = ([shown(each) for each in connection.execute(q).mappings()] for q in told)
    return known | {
        "coverage": _coverage(coverage),
        "gaps": dropped[-pages.MOST :],
        "applied": applied,
        "certificates": certified[-pages.LIMIT :],
    }


def overview(connection: Connection) -> dict[str, Any]:
    """What tells whether anything is wrong now."""
    now = moments.now()
    return {
        "time": moments.text(now),
        "open_findings": _some(connection, select(findings.c.number).where(findings.c.state == "open")),
        "hosts": dict(
            map(tuple, connection.execute(select(hosts.c.state, func.count()).group_by(hosts.c.state)))
        ),
        "silent_hosts": _some(
            connection,
            select(hosts.c.number).where(
                hosts.c.state == "active", func.coalesce(hosts.c.seen, 0) < now - _SILENT
            ),
        ),
        "backends": _backends(connection),
        "days": _days(connection, now),
    }


def record(connection: Connection, window: Window) -> Page:
    """Who did what, the newest first."""
    return newest_first(connection, select(audit), audit.c.number, window)


def _coverage(data: bytes | None) -> list[dict[str, Any]]:
    if data is None:
        return []
    rows: list[dict[str, Any]] = json.loads(
        zstandard.ZstdDecompressor().decompress(data, max_output_size=_LARGEST)
    )
    return rows


def _some(connection: Connection, query: Any) -> int:
    """How many, counted up to a thousand: whether it is more is no different to those who must look."""
    return int(connection.scalar(select(func.count()).select_from(query.limit(_ENOUGH).subquery())) or 0)


def _backends(connection: Connection) -> dict[str, int]:
    query = select(func.coalesce(hosts.c.backend, ""), func.count()).where(hosts.c.state == "active")
    return {backend or "unknown": n for backend, n in connection.execute(query.group_by(hosts.c.backend))}


def _days(connection: Connection, now: int) -> list[dict[str, Any]]:
    first = moments.day(now - (_TREND - 1) * moments.DAY)
    query = select(tallies.c.day, tallies.c.name, func.sum(tallies.c.total)).where(tallies.c.day >= first)
    days: dict[str, dict[str, Any]] = {}
    for day, name, total in connection.execute(query.group_by(tallies.c.day, tallies.c.name)):
        days.setdefault(day, {"day": day})[name.removeprefix("runs.")] = int(total)
    return [days[day] for day in sorted(days)]
