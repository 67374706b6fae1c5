"""Watched hunts: a question that somebody kept, asked again of every run that comes in."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, Select, func, literal, or_, select

from pratique_server import moments
from pratique_server.queries.search import like
from pratique_server.store import purls
from pratique_server.store.database import insert_of, writing
from pratique_server.store.schema import (
    alerts,
    findings,
    hosts,
    hunts,
    observables,
    package_set_members,
    packages,
    run_packages,
    runs,
    sightings,
)
from pratique_server.web.queries.hunting import rules_of

_AGAIN = 10_000
"""Of the newest runs so many are looked at each time, for what a run did may come after the run."""
_MOST = 200

Row = dict[str, Any]


def watch(engine: Engine) -> list[Row]:
    """Ask every watched hunt of what is new; the alerts that this made."""
    with engine.connect() as connection:
        watched = connection.execute(select(hunts).where(hunts.c.alert)).mappings().all()
        newest = connection.scalar(select(func.max(runs.c.number))) or 0
        found = [row for hunt in watched for row in _of(connection, hunt, newest - _AGAIN)]
    return _keep(engine, found) if found else []


def latest(connection: Connection, most: int = 20) -> list[Row]:
    """The newest alerts, with run and host."""
    query = (
        select(alerts.c.hunt, alerts.c.what, alerts.c.time, runs.c.id.label("run"), hosts.c.id.label("host"))
        .join_from(alerts, runs)
        .join(hosts, runs.c.host == hosts.c.number)
        .order_by(alerts.c.number.desc())
        .limit(most)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _keep(engine: Engine, found: list[Row]) -> list[Row]:
    """Each is told once, by whichever collector is first."""
    statement = insert_of(engine)(alerts).on_conflict_do_nothing().returning(alerts.c.hunt, alerts.c.what)
    with writing(engine) as connection:
        return [dict(row) for row in connection.execute(statement, found).mappings()]


def _of(connection: Connection, hunt: Any, since: int) -> Iterator[Row]:
    since, sought, now = max(since, hunt["reached"]), hunt["query"].strip(), moments.now()
    for query in (*_asked(sought), _fired(connection, sought)):
        newest = query.where(runs.c.number > since).order_by(runs.c.number.desc())
        rows = connection.execute(newest.limit(_MOST))
        yield from ({"hunt": hunt["name"], "what": what, "run": run, "time": now} for run, what in rows)


def _asked(sought: str) -> Iterator[Select[Any]]:
    name, version = purls.split(sought)
    named = packages.c.purl == sought if version else like(packages.c.name, name)
    members = package_set_members
    yield (
        select(runs.c.number, observables.c.value)
        .join_from(observables, sightings)
        .join(runs, runs.c.number == sightings.c.run)
        .where(like(observables.c.value, sought))
    )
    yield (
        select(runs.c.number, packages.c.purl)
        .join_from(packages, run_packages)
        .join(runs, runs.c.number == run_packages.c.run)
        .where(named)
    )
    yield (
        select(runs.c.number, packages.c.purl)
        .join_from(packages, members)
        .join(runs, runs.c.package_set == members.c.package_set)
        .where(or_(named, members.c.digest == sought))
    )


def _fired(connection: Connection, sought: str) -> Select[Any]:
    rules = [*rules_of(connection, sought), sought]
    query = select(runs.c.number, literal("rule ") + findings.c.rule)
    return query.join_from(findings, runs, runs.c.number == findings.c.run).where(findings.c.rule.in_(rules))
