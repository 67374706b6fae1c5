"""The fleet as a whole: what its hosts can refuse, which fell silent, and which version of what each holds."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from pratique_server import moments
from pratique_server.store.schema import applications, hosts, revisions, runs
from pratique_server.web.queries import documents

SILENT = 3_600 * moments.SECOND
LEVELS = ("enforced", "killed-before", "killed-after", "seen", "blind")
_RANK = {level: rank for rank, level in enumerate(LEVELS)}
_NEWEST = select(revisions.c.kind, func.max(revisions.c.version)).group_by(revisions.c.kind)


def silent(connection: Connection, most: int = 50) -> Sequence[RowMapping]:
    """Active hosts that said nothing for an hour, the longest silence first."""
    seen = func.coalesce(hosts.c.seen, 0)
    query = select(hosts.c.id, hosts.c.name, hosts.c.seen).where(
        hosts.c.state == "active", seen < moments.now() - SILENT
    )
    return connection.execute(query.order_by(seen).limit(most)).mappings().all()


def incomplete(connection: Connection, latest: int = 5_000) -> int:
    """How many runs of the last day lost something, among the latest that arrived."""
    newest = (
        select(runs.c.incomplete, runs.c.received).order_by(runs.c.number.desc()).limit(latest).subquery()
    )
    query = select(func.count()).select_from(newest)
    since = moments.now() - moments.DAY
    return connection.scalar(query.where(newest.c.incomplete, newest.c.received > since)) or 0


def held(connection: Connection, host: str) -> list[dict[str, Any]]:
    """Which version of each document a host holds, beside the newest."""
    newest = dict(map(tuple, connection.execute(_NEWEST)))
    query = select(applications).join(hosts, applications.c.host == hosts.c.number).where(hosts.c.id == host)
    known = {row["kind"]: row for row in connection.execute(query).mappings()}
    return [_held(kind, newest.get(kind, 0), known.get(kind)) for kind in ("policy", "approvals", "blocks")]


def _held(kind: str, newest: int, row: RowMapping | None) -> dict[str, Any]:
    version = row["version"] if row else 0
    failed = row is not None and row["failed"] is not None and row["failed"] >= newest > version
    return {
        "kind": kind,
        "newest": newest,
        "version": version,
        "state": "applied" if version >= newest else "failed" if failed else "pending",
        "problem": row["problem"] if row else "",
        "time": row["time"] if row else None,
    }


def coverage(connection: Connection) -> list[dict[str, Any]]:
    """Per act, how many hosts have which level at their weakest; hosts that are alike are counted in the database."""
    query = select(hosts.c.coverage, func.count()).where(hosts.c.state == "active").group_by(hosts.c.coverage)
    tally: dict[str, Counter[str]] = {}
    for data, count in connection.execute(query):
        for act, level in weakest(documents.coverage_of(data)).items():
            tally.setdefault(act, Counter())[level] += count
    return [{"act": act, "levels": [tally[act][level] for level in LEVELS]} for act in sorted(tally)]


def weakest(rows: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Of each act the level that holds in every circumstance."""
    found: dict[str, str] = {}
    for row in rows:
        act, level = row.get("act"), row.get("level")
        if act and level in _RANK and _RANK[level] >= _RANK.get(found.get(act, ""), -1):
            found[act] = level
    return found


def trend(days: Sequence[dict[str, Any]], count: int = 14) -> list[dict[str, Any]]:
    """Runs per day and verdict, the oldest day first; a day without any is a row of noughts."""
    now, known = moments.now(), {row["day"]: row for row in days}
    wanted = [moments.day(now - back * moments.DAY) for back in reversed(range(count))]
    return [
        {"day": day, **{name: known.get(day, {}).get(name, 0) for name in ("clean", "findings", "blocked")}}
        for day in wanted
    ]


def escaped(text: str) -> str:
    """`text` for LIKE, in which it stands for itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
