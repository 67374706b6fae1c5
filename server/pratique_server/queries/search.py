"""One box: package URL, path, address, name, digest, rule, host or run."""

from typing import Any

from sqlalchemy import Connection, func, or_, select

from pratique_server.errors import UsageError
from pratique_server.queries.pages import shown
from pratique_server.store import purls
from pratique_server.store.schema import findings, hosts, observables, packages, runs, sightings

_MOST = 100
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
            connection, select(runs.c.id, runs.c.started, runs.c.verdict).where(_like(runs.c.id, sought))
        ),
        "rules": _rows(
            connection,
            select(findings.c.rule, func.count().label("findings"))
            .where(_like(findings.c.rule, sought))
            .group_by(findings.c.rule),
        ),
    }


def _observables(connection: Connection, sought: str) -> list[dict[str, Any]]:
    query = (
        select(
            observables.c.kind,
            observables.c.value,
            func.count(func.distinct(sightings.c.run)).label("runs"),
            func.min(sightings.c.first).label("first"),
            func.max(runs.c.id).label("last_run"),
        )
        .select_from(observables.join(sightings).join(runs))
        .where(_like(observables.c.value, sought))
        .group_by(observables.c.number, observables.c.kind, observables.c.value)
    )
    return _rows(connection, query)


def _packages(connection: Connection, sought: str) -> list[dict[str, Any]]:
    name, version = purls.split(sought)
    named = packages.c.purl == sought if version else _like(packages.c.name, name)
    return _rows(connection, select(packages.c.purl, packages.c.first).where(named))


def _rows(connection: Connection, query: Any) -> list[dict[str, Any]]:
    return [shown(row) for row in connection.execute(query.limit(_MOST)).mappings()]


def _names(table: Any, sought: str, *columns: str) -> list[Any]:
    return [_like(table.c[column], sought) for column in columns]


def _like(column: Any, sought: str) -> Any:
    if sought.endswith("*"):
        return column.startswith(sought[:-1], autoescape=True)
    return column == sought
