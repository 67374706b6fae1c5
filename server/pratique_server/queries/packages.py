"""Packages: versions, and blast radius, "who installed it, when, and what did it do", from summaries alone."""

from typing import Any

from sqlalchemy import Connection, Select, Subquery, func, literal, select, union_all

from pratique_server import moments
from pratique_server.errors import MissingError
from pratique_server.queries.pages import Page, Window, newest_first, shown
from pratique_server.store import purls
from pratique_server.store.schema import (
    deed_hosts,
    deeds,
    host_packages,
    host_sets,
    hosts,
    observables,
    package_observables,
    package_set_members,
    packages,
)
from pratique_server.store.totals import VERDICTS

MOST_HOSTS, _MOST_ROWS = 10_000, 200
_COUNTS = ("events", "net", "refused")


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
        func.coalesce(func.sum(host_packages.c.runs), 0).label("runs"),
        func.coalesce(func.sum(host_packages.c.net), 0).label("net"),
        func.coalesce(func.sum(host_packages.c.refused), 0).label("refused"),
    )  # fmt: skip
    query = totals.select_from(packages.outerjoin(host_packages)).where(packages.c.name == name)
    found = connection.execute(
        query.group_by(packages.c.number).order_by(packages.c.number.desc()).limit(_MOST_ROWS)
    )
    versions = [shown(_plain(row)) for row in found.mappings()]
    if not any(version["purl"] == purl for version in versions) and purl != name:
        raise MissingError(f"no host has named {purl}")
    return {"purl": purl, "name": name, "versions": versions, "findings": _findings(connection, _meant(purl))}


def blast(connection: Connection, purl: str, worst: int | None = None) -> dict[str, Any]:
    """Every host that a package version (or any version, without one) was on, and what it did there.

    Hosts come in the order they were hit; with `worst`, so many of those hit worst.
    """
    meant = _meant(purl)
    if connection.execute(meant.limit(1)).first() is None:
        raise MissingError(f"no host has named {purl}")
    hit = _touched(meant)
    return {
        "purl": purl,
        "totals": _totals(connection, hit),
        "hosts": _hosts(connection, hit, worst),
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
    """Per host: runs in which it acted, and runs that installed it without that.

    Of a package without a version, a run in which two versions acted counts for each of them.
    """
    t = host_packages.c
    acted = select(
        t.host, (t.runs - t.installed).label("runs"), t.first, t.last, t.rank, *(t[name] for name in _COUNTS)
    )  # fmt: skip
    sets = select(package_set_members.c.package_set).where(package_set_members.c.package.in_(meant))
    s = host_sets.c
    installed = select(s.host, s.runs, s.first, s.last, s.rank, *(literal(0) for _ in _COUNTS))
    return union_all(acted.where(t.package.in_(meant)), installed.where(s.package_set.in_(sets))).subquery(
        "hit"
    )


def _totals(connection: Connection, touched: Subquery) -> dict[str, Any]:
    t = touched.c
    sums = (func.coalesce(func.sum(t[name]), 0).label(name) for name in ("runs", *_COUNTS))
    query = select(func.count(func.distinct(t.host)).label("hosts"), *sums)
    return _plain(connection.execute(query).mappings().one())


def _hosts(connection: Connection, touched: Subquery, worst: int | None) -> list[dict[str, Any]]:
    """By the numbers of hosts; their names are looked up once for each."""
    t = touched.c
    hardest = (func.sum(t.refused).desc(), func.sum(t.events).desc())
    hit = (
        select(
            t.host,
            func.min(t.first).label("first"),
            func.max(t.last).label("last"),
            *(func.sum(t[name]).label(name) for name in ("runs", *_COUNTS)),
            func.max(t.rank).label("rank"),
        )
        .group_by(t.host)
        .order_by(*(hardest if worst else ()), func.min(t.first), t.host)
        .limit(worst or MOST_HOSTS)
        .subquery("hosts_hit")
    )
    columns = (hit.c[name] for name in ("runs", "first", "last", *_COUNTS, "rank"))
    query = select(hosts.c.id.label("host"), hosts.c.name.label("host_name"), *columns)
    query = query.select_from(hit.join(hosts, hosts.c.number == hit.c.host)).order_by(hit.c.first, hit.c.host)
    return [_hit(shown(_plain(row))) for row in connection.execute(query).mappings()]


def _hit(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "verdict": VERDICTS[row.pop("rank")]}


def _plain(row: Any) -> dict[str, Any]:
    """PostgreSQL sums to Decimal."""
    return {key: int(value) if hasattr(value, "as_tuple") else value for key, value in dict(row).items()}


def _findings(connection: Connection, meant: Select[Any]) -> list[dict[str, Any]]:
    """What it did that a rule minds, of several versions together."""
    kinds = [deeds.c[name] for name in ("rule", "title", "severity", "action", "act", "target")]
    hit = select(deed_hosts.c.deed, func.count().label("hosts")).join_from(deed_hosts, deeds)
    hit = hit.where(deeds.c.package.in_(meant)).group_by(deed_hosts.c.deed)
    of = hit.subquery("of")
    query = (
        select(
            *kinds,
            func.sum(deeds.c.times).label("times"),
            func.max(of.c.hosts).label("hosts"),
            func.min(deeds.c.first).label("first"),
        )
        .join_from(deeds, of, of.c.deed == deeds.c.number)
        .where(deeds.c.package.in_(meant))
        .group_by(*kinds)
        .order_by(func.sum(deeds.c.times).desc())
        .limit(_MOST_ROWS)
    )
    return [shown(_plain(row)) for row in connection.execute(query).mappings()]


def _sightings(connection: Connection, meant: Select[Any]) -> list[dict[str, Any]]:
    """Whom it spoke to, and what else of it was seen: only where it was known that it was this package."""
    seen = package_observables
    few = (
        select(
            seen.c.observable,
            func.sum(seen.c.events).label("events"),
            func.sum(seen.c.runs).label("runs"),
            func.min(seen.c.first).label("first"),
        )
        .where(seen.c.package.in_(meant))
        .group_by(seen.c.observable)
        .order_by(func.sum(seen.c.runs).desc())
        .limit(_MOST_ROWS)
        .subquery("few")
    )
    columns = (observables.c.kind, observables.c.value, few.c.events, few.c.runs, few.c.first)
    query = select(*columns).join_from(few, observables, observables.c.number == few.c.observable)
    rows = connection.execute(query.order_by(few.c.runs.desc())).mappings()
    return [shown(_plain(row)) for row in rows]
