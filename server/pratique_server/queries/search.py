"""One box: package URL, path, address, name, digest, rule, host or run."""

from typing import Any

from sqlalchemy import Connection, func, or_, select

from pratique_server.errors import UsageError
from pratique_server.queries.pages import shown
from pratique_server.store import purls
from pratique_server.store.schema import (
    findings,
    hosts,
    observables,
    package_set_members,
    packages,
    runs,
    sightings,
)

_MOST, _ENOUGH = 100, 1_000
_SHORTEST, _LONGEST = 2, 1_024


def everything(connection: Connection, sought: str) -> dict[str, Any]:
    """What is known by this name; a `*` at the end stands for anything."""
    sought = sought.strip()
    if not _SHORTEST <= len(sought) <= _LONGEST:
        raise UsageError("what is sought is too short or too long", f"{_SHORTEST} to {_LONGEST} characters")
    return {
        "query": sought,
        "observables": _observables(connection, sought),
        "packages": _packages(connection, sought),
        "hosts": _rows(
            connection, select(hosts.c.id, hosts.c.name).where(or_(*_names(hosts, sought, "id", "name")))
        ),
        "runs": _rows(
            connection, select(runs.c.id, runs.c.started, runs.c.verdict).where(like(runs.c.id, sought))
        ),
        "rules": _rows(
            connection,
            select(findings.c.rule, func.count().label("findings"))
            .where(like(findings.c.rule, sought))
            .group_by(findings.c.rule),
        ),
    }


def _observables(connection: Connection, sought: str) -> list[dict[str, Any]]:
    """Each found by its own name, then told of: how many runs, up to a thousand, and the latest."""
    mine = sightings.c.observable == observables.c.number
    some = select(sightings.c.run).where(mine).distinct().limit(_ENOUGH).correlate(observables).subquery()
    last = select(func.max(sightings.c.run)).where(mine).correlate(observables).scalar_subquery()
    query = select(
        observables.c.kind,
        observables.c.value,
        select(func.count()).select_from(some).correlate(observables).scalar_subquery().label("runs"),
        observables.c.first,
        select(runs.c.id).where(runs.c.number == last).scalar_subquery().label("last_run"),
    ).where(like(observables.c.value, sought))
    return _rows(connection, query)


def _packages(connection: Connection, sought: str) -> list[dict[str, Any]]:
    name, version = purls.split(sought)
    named = packages.c.purl == sought if version else like(packages.c.name, name)
    alike = select(package_set_members.c.package).where(package_set_members.c.digest == sought)
    query = select(packages.c.purl, packages.c.first)
    return _rows(connection, query.where(or_(named, packages.c.number.in_(alike))))


def _rows(connection: Connection, query: Any) -> list[dict[str, Any]]:
    return [shown(row) for row in connection.execute(query.limit(_MOST)).mappings()]


def _names(table: Any, sought: str, *columns: str) -> list[Any]:
    return [like(table.c[column], sought) for column in columns]


def like(column: Any, sought: str) -> Any:
    """The column is what is sought; a `*` at the end stands for anything."""
    if sought.endswith("*"):
        return column.startswith(sought[:-1], autoescape=True)
    return column == sought
