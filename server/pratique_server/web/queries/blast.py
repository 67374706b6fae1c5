"""Beside a blast radius: when each host was hit, which secrets were asked for, and what to build again."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, union

from pratique_server.store import purls
from pratique_server.store.schema import (
    findings,
    hosts,
    package_set_members,
    packages,
    run_packages,
    runs,
)
from pratique_server.web.queries import documents

MOST_RUNS = 600
_MOST_PLACES = 60
_COLUMNS = (
    runs.c.number, runs.c.id, runs.c.started, runs.c.received, runs.c.verdict, runs.c.cwd, runs.c.description,
    hosts.c.id.label("host"), hosts.c.name.label("host_name"), run_packages.c.events.label("acted"),
)  # fmt: skip


def meant(connection: Connection, asked: str) -> list[int]:
    """The versions that are asked about: one, or all of the package when none is named."""
    name, version = purls.split(asked)
    column, value = (packages.c.purl, asked) if version else (packages.c.name, name)
    return list(connection.scalars(select(packages.c.number).where(column == value)))


def touched(connection: Connection, numbers: Sequence[int]) -> Sequence[RowMapping]:
    """The newest runs in which it ran, or which installed it."""
    sets = select(package_set_members.c.package_set).where(package_set_members.c.package.in_(numbers))
    ran = select(run_packages.c.run.label("run")).where(run_packages.c.package.in_(numbers))
    had = select(runs.c.number.label("run")).where(runs.c.package_set.in_(sets))
    newest = union(_newest(ran), _newest(had)).subquery()
    mine = (run_packages.c.run == runs.c.number) & run_packages.c.package.in_(numbers)
    query = (
        select(*_COLUMNS)
        .select_from(
            newest.join(runs, runs.c.number == newest.c.run).join(hosts).outerjoin(run_packages, mine)
        )
        .order_by(runs.c.number.desc())
        .limit(MOST_RUNS)
    )
    return connection.execute(query).mappings().all()


def _newest(of: Any) -> Any:
    """The newest of these runs; a select of its own, since SQLite takes no limit inside a union."""
    few = of.order_by(of.selected_columns.run.desc()).limit(MOST_RUNS).subquery()
    return select(few.c.run)


def by_host(rows: Sequence[RowMapping]) -> dict[str, list[RowMapping]]:
    """The same, per host."""
    groups: dict[str, list[RowMapping]] = defaultdict(list)
    for row in rows:
        groups[row["host"]].append(row)
    return groups


def secrets(connection: Connection, numbers: Sequence[int], most: int = 50) -> Sequence[RowMapping]:
    """Files its code asked for that a rule guards: what was only audited was read, what was denied was not."""
    first, last = func.min(findings.c.time).label("time"), func.max(findings.c.number).label("number")
    columns = (
        findings.c.target,
        findings.c.action,
        hosts.c.id.label("host"),
        hosts.c.name.label("host_name"),
    )
    query = (
        select(*columns, first, last)
        .join_from(findings, hosts, findings.c.host == hosts.c.number)
        .where(findings.c.package.in_(numbers), findings.c.act == "file.read")
        .group_by(findings.c.target, findings.c.action, hosts.c.id, hosts.c.name)
        .order_by(findings.c.action, first)
    )
    return connection.execute(query.limit(most)).mappings().all()


def rebuild(
    connection: Connection, numbers: Sequence[int], rows: Sequence[RowMapping]
) -> list[dict[str, Any]]:
    """What to build again: where its code ran before where it only lay, and there the oldest first."""
    asked = _asked(connection, numbers)
    places: dict[tuple[str, str | None], dict[str, Any]] = {}
    for row in rows:
        place = places.setdefault((row["host"], row["cwd"]), {"ran": 0, "asked": set(), **row})
        place["ran"] += bool(row["acted"])
        place["asked"] |= asked.get(row["number"], set())
        place["when"] = row["started"] or row["received"]
    return sorted(places.values(), key=lambda place: (not place["ran"], place["when"]))[:_MOST_PLACES]


def _asked(connection: Connection, numbers: Sequence[int], most: int = 500) -> dict[int, set[str]]:
    """Per run: what people had asked for when it was pulled in; that has to be mended first."""
    query = (
        select(run_packages.c.run, run_packages.c.document)
        .where(run_packages.c.package.in_(numbers), run_packages.c.document.is_not(None))
        .order_by(run_packages.c.run.desc())
        .limit(most)
    )
    found: dict[int, set[str]] = defaultdict(set)
    for run, data in connection.execute(query):
        said = documents.package_of(data)
        found[run] |= set(said.requested[:8]) if said else set()
    return found
