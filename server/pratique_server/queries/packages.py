"""Packages: versions, and blast radius, "who installed it, when, and what did it do", from summaries alone."""

from typing import Any

from sqlalchemy import Connection, Select, Subquery, case, distinct, func, literal, select, union_all

from pratique_server import moments
from pratique_server.errors import MissingError
from pratique_server.queries.pages import Page, Window, newest_first, shown
from pratique_server.store import purls
from pratique_server.store.schema import (
    findings,
    hosts,
    observables,
    package_set_members,
    packages,
    run_packages,
    runs,
    sightings,
)

MOST_HOSTS, _MOST_ROWS = 10_000, 200
_RANK = case(
    (runs.c.verdict == "blocked", 3),
    (runs.c.verdict == "findings", 2),
    (runs.c.verdict == "clean", 1),
    else_=0,
)
_COUNTS = ("events", "net", "refused")
_VERDICTS = (None, "clean", "findings", "blocked")


def listed(connection: Connection, name: str | None, window: Window) -> Page:
    """Package versions, the newest known first; `name` is a package URL without a version."""
    query = select(packages.c.number, packages.c.purl, packages.c.name, packages.c.version, packages.c.first)
    if name is not None:
        query = query.where(packages.c.name == purls.split(name)[0])
    return newest_first(connection, query, packages.c.number, window)


def one(connection: Connection, purl: str) -> dict[str, Any]:
    """What a version did, and which others of the package are known, with what they did."""
    name, _ = purls.split(purl)
    totals = select(
        packages.c.purl, packages.c.version, packages.c.first,
        func.count(run_packages.c.run).label("runs"),
        func.coalesce(func.sum(run_packages.c.net), 0).label("net"),
        func.coalesce(func.sum(run_packages.c.refused), 0).label("refused"),
    )  # fmt: skip
    query = totals.select_from(packages.outerjoin(run_packages)).where(packages.c.name == name)
    found = connection.execute(
        query.group_by(packages.c.number).order_by(packages.c.number.desc()).limit(_MOST_ROWS)
    )
    versions = [shown(_plain(row)) for row in found.mappings()]
    if not any(version["purl"] == purl for version in versions) and purl != name:
        raise MissingError(f"no host has named {purl}")
    return {"purl": purl, "name": name, "versions": versions, "findings": _findings(connection, _meant(purl))}


def blast(connection: Connection, purl: str) -> dict[str, Any]:
    """Every host that a package version (or any version, without one) was on, and what it did there."""
    meant = _meant(purl)
    if connection.execute(meant.limit(1)).first() is None:
        raise MissingError(f"no host has named {purl}")
    hit = _hosts(connection, _touched(meant))
    return {
        "purl": purl,
        "totals": {
            "hosts": len(hit),
            **{name: sum(row[name] for row in hit) for name in ("runs", "events", "net", "refused")},
        },
        "hosts": hit,
        "findings": _findings(connection, meant),
        "sightings": _sightings(connection, meant),
        "asked": moments.text(moments.now()),
    }


def _meant(purl: str) -> Select[Any]:
    """The numbers of the version, or of all versions when none is named."""
    name, version = purls.split(purl)
    column, value = (packages.c.purl, purl) if version else (packages.c.name, name)
    return select(packages.c.number).where(column == value)


def _touched(meant: Select[Any]) -> Subquery:
    """Runs in which it acted, each once whatever the number of its versions, and runs that only installed it."""
    acted = select(run_packages.c.run, *(func.sum(run_packages.c[name]).label(name) for name in _COUNTS))
    acted = acted.where(run_packages.c.package.in_(meant)).group_by(run_packages.c.run)
    sets = select(package_set_members.c.package_set).where(package_set_members.c.package.in_(meant))
    known = select(run_packages.c.run).where(run_packages.c.package.in_(meant))
    installed = select(runs.c.number, *(literal(0) for _ in _COUNTS))
    installed = installed.where(runs.c.package_set.in_(sets), runs.c.number.not_in(known))
    return union_all(acted, installed).subquery("touched")


def _hosts(connection: Connection, touched: Subquery) -> list[dict[str, Any]]:
    """By the numbers of hosts; their names are looked up once for each, not once for each run."""
    when = func.coalesce(runs.c.started, runs.c.received)
    hit = (
        select(
            runs.c.host,
            func.count().label("runs"),
            func.min(when).label("first"),
            func.max(when).label("last"),
            *(func.sum(touched.c[name]).label(name) for name in _COUNTS),
            func.max(_RANK).label("rank"),
            func.min(runs.c.number).label("number"),
        )
        .select_from(touched.join(runs, runs.c.number == touched.c.run))
        .group_by(runs.c.host)
        .order_by(func.min(runs.c.number))
        .limit(MOST_HOSTS)
        .subquery("hit")
    )
    columns = (hit.c[name] for name in ("runs", "first", "last", *_COUNTS, "rank"))
    query = select(hosts.c.id.label("host"), hosts.c.name.label("host_name"), *columns)
    query = query.select_from(hit.join(hosts, hosts.c.number == hit.c.host)).order_by(hit.c.number)
    return [_hit(shown(_plain(row))) for row in connection.execute(query).mappings()]


def _hit(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "verdict": _VERDICTS[row.pop("rank")]}


def _plain(row: Any) -> dict[str, Any]:
    """PostgreSQL sums to Decimal."""
    return {key: int(value) if hasattr(value, "as_tuple") else value for key, value in dict(row).items()}


def _findings(connection: Connection, meant: Select[Any]) -> list[dict[str, Any]]:
    kinds = [findings.c[name] for name in ("rule", "title", "severity", "action", "act", "target")]
    query = (
        select(
            *kinds,
            func.count().label("times"),
            func.count(distinct(findings.c.host)).label("hosts"),
            func.min(findings.c.time).label("first"),
        )
        .where(findings.c.package.in_(meant))
        .group_by(*kinds)
        .order_by(func.count().desc())
        .limit(_MOST_ROWS)
    )
    return [shown(_plain(row)) for row in connection.execute(query).mappings()]


def _sightings(connection: Connection, meant: Select[Any]) -> list[dict[str, Any]]:
    """Whom it spoke to, and what else of it was seen: only where it was known that it was this package."""
    query = (
        select(
            observables.c.kind,
            observables.c.value,
            func.sum(sightings.c.events).label("events"),
            func.count().label("runs"),
            func.min(sightings.c.first).label("first"),
        )
        .join_from(sightings, observables, isouter=True)
        .where(sightings.c.package.in_(meant))
        .group_by(observables.c.kind, observables.c.value)
        .order_by(func.count().desc())
        .limit(_MOST_ROWS)
    )
    return [shown(_plain(row)) for row in connection.execute(query).mappings()]
