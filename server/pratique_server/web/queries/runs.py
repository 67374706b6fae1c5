"""Beside a run: all that was said of its packages, and the clean run it can be compared with."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from pratique_server.queries.runs import LISTED
from pratique_server.store.schema import hosts, observables, packages, run_packages, runs, sightings
from pratique_server.web.queries import documents

_BACK = 400


def owners(connection: Connection, run: int) -> dict[int, str]:
    """Whose processes the origins of a run are: number of the origin → purl."""
    query = (
        select(packages.c.purl, run_packages.c.document)
        .join_from(run_packages, packages)
        .where(run_packages.c.run == run)
    )
    told = ((purl, documents.package_of(data)) for purl, data in connection.execute(query))
    return {origin: purl for purl, said in told if said is not None for origin in said.origins}


def said_of(connection: Connection, run: int, purl: str) -> Any:
    """All that a run said of a package; None when it said nothing more than its counts."""
    query = select(run_packages.c.document).join_from(run_packages, packages)
    return documents.package_of(
        connection.scalar(query.where(run_packages.c.run == run, packages.c.purl == purl))
    )


def clean_before(connection: Connection, run: dict[str, Any]) -> RowMapping | None:
    """The newest earlier run of the same host that was clean, best with the same command."""
    query = select(*LISTED).join_from(runs, hosts)
    query = query.where(hosts.c.id == run["host"], runs.c.number < run["number"], runs.c.verdict == "clean")
    near = connection.execute(query.order_by(runs.c.number.desc()).limit(_BACK)).mappings().all()
    same = (each for each in near if each["description"] == run["description"])
    alike = (each for each in near if each["manager"] == run["manager"])
    return next(same, None) or next(alike, None)


def seen_in(connection: Connection, run: int) -> set[tuple[str, str]]:
    """Names, addresses and paths of a run."""
    query = (
        select(observables.c.kind, observables.c.value)
        .join_from(sightings, observables)
        .where(sightings.c.run == run, observables.c.kind != "digest")
    )
    return {(kind, value) for kind, value in connection.execute(query)}


def acted_in(connection: Connection, run: int) -> set[str]:
    """Packages whose code ran."""
    query = select(packages.c.purl).join_from(run_packages, packages).where(run_packages.c.run == run)
    return set(connection.scalars(query))


def numbers(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """The numbers of runs by id."""
    query = select(runs.c.id, runs.c.number).where(runs.c.id.in_(ids))
    return dict(map(tuple, connection.execute(query)))


def ids(connection: Connection, numbers_: Sequence[int]) -> dict[int, RowMapping]:
    """The ids of runs, and their hosts, by number."""
    query = select(runs.c.number, runs.c.id, hosts.c.id.label("host")).join_from(runs, hosts)
    rows = connection.execute(query.where(runs.c.number.in_(numbers_))).mappings()
    return {row["number"]: row for row in rows}
