"""Beside a package: who has each version, and what is new in one that no earlier version did."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, union

from pratique_server.queries.pages import shown
from pratique_server.store.schema import (
    host_packages,
    host_sets,
    observables,
    package_observables,
    package_set_members,
    packages,
    run_packages,
)
from pratique_server.web.queries.fleet import escaped

_MOST_VERSIONS = 200
_MOST_NEW = 200
_AT_ONCE = 50


def found(connection: Connection, text: str) -> list[dict[str, Any]]:
    """Package versions whose purl holds `text`, the ones first seen last at the top."""
    query = select(packages).where(packages.c.purl.ilike(f"%{escaped(text)}%", escape="\\"))
    rows = connection.execute(query.order_by(packages.c.number.desc()).limit(_AT_ONCE)).mappings()
    return [shown(row) for row in rows]


def activity(connection: Connection, numbers: Sequence[int]) -> dict[int, RowMapping]:
    """Per package: in how many runs its code ran, and how often it was refused."""
    sums = (func.sum(host_packages.c[name]).label(name) for name in ("runs", "refused"))
    query = select(host_packages.c.package, *sums)
    query = query.where(host_packages.c.package.in_(numbers)).group_by(host_packages.c.package)
    return {row["package"]: row for row in connection.execute(query).mappings()}


def numbered(connection: Connection, name: str) -> dict[str, int]:
    """The numbers of a package's versions by purl, the one first seen last at the top."""
    query = select(packages.c.purl, packages.c.number).where(packages.c.name == name)
    newest = query.order_by(packages.c.first.desc(), packages.c.number.desc()).limit(_MOST_VERSIONS)
    return dict(map(tuple, connection.execute(newest)))


def host_counts(connection: Connection, numbers: Sequence[int]) -> dict[int, int]:
    """On how many hosts each version was installed or ran."""
    ran = select(host_packages.c.package, host_packages.c.host).where(host_packages.c.package.in_(numbers))
    had = (
        select(package_set_members.c.package, host_sets.c.host)
        .join_from(
            package_set_members, host_sets, package_set_members.c.package_set == host_sets.c.package_set
        )
        .where(package_set_members.c.package.in_(numbers))
    )
    both = union(ran, had).subquery()
    query = select(both.c.package, func.count()).group_by(both.c.package)
    return dict(map(tuple, connection.execute(query)))


def new_in(connection: Connection, package: int, earlier: Sequence[int]) -> list[dict[str, Any]]:
    """What a version had to do with and no earlier one did."""
    seen = package_observables
    old = select(seen.c.observable).where(seen.c.package.in_(earlier))
    query = (
        select(observables.c.kind, observables.c.value, seen.c.run, seen.c.runs)
        .join_from(seen, observables)
        .where(seen.c.package == package, observables.c.kind != "digest", seen.c.observable.not_in(old))
        .order_by(observables.c.kind, observables.c.value)
    )
    return [dict(row) for row in connection.execute(query.limit(_MOST_NEW)).mappings()]


def digests(connection: Connection, package: int, most: int = 8) -> list[str]:
    """Digests of what was installed under this name and version: more than one asks for a look."""
    query = select(package_set_members.c.digest).where(
        package_set_members.c.package == package, package_set_members.c.digest != ""
    )
    return list(connection.scalars(query.distinct().limit(most)))


def latest_runs(connection: Connection, package: int, most: int = 3) -> Sequence[RowMapping]:
    """The latest runs in which the code of a version ran, with what was said of it there."""
    query = select(run_packages.c.run, run_packages.c.document).where(run_packages.c.package == package)
    return connection.execute(query.order_by(run_packages.c.run.desc()).limit(most)).mappings().all()
