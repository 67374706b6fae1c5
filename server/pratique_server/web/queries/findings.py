"""Beside a finding: what is new since, what the same package did elsewhere, and what people did about it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from pratique_server.queries.findings import listing
from pratique_server.queries.pages import shown
from pratique_server.store import purls
from pratique_server.store.schema import audit, findings, hosts, packages, runs

_COUNTED = 1_000


def after(connection: Connection, number: int, most: int) -> list[dict[str, Any]]:
    """What arrived after `number`, oldest first, as lists show it."""
    query = listing().where(findings.c.number > number)
    rows = connection.execute(query.order_by(findings.c.number).limit(most)).mappings()
    return [shown(row) for row in rows]


def newest(connection: Connection) -> int:
    """The number of the newest finding; 0 when there is none."""
    return connection.scalar(select(func.max(findings.c.number))) or 0


def of_rules(connection: Connection, rules: Sequence[str], most: int = 50) -> list[dict[str, Any]]:
    """The newest findings of these rules."""
    query = listing().where(findings.c.rule.in_(rules))
    rows = connection.execute(query.order_by(findings.c.number.desc()).limit(most)).mappings()
    return [shown(row) for row in rows]


def numbered(connection: Connection, told: str) -> int | None:
    """The number of the finding that hosts and reports call `told`."""
    run, _, _ = told.rpartition("-")
    query = select(findings.c.number).join_from(findings, runs, findings.c.run == runs.c.number)
    return connection.scalar(query.where(runs.c.id == run, findings.c.id == told).limit(1))


def elsewhere(connection: Connection, found: dict[str, Any], most: int = 8) -> Sequence[RowMapping]:
    """What any version of the same package did in other runs, one line per rule, version and target."""
    if found["package"] is None:
        return []
    name, _ = purls.split(found["package"])
    same = select(packages.c.number).where(packages.c.name == name)
    recent = (
        select(findings.c.number)
        .where(findings.c.package.in_(same))
        .order_by(findings.c.number.desc())
        .limit(_COUNTED)
    )
    columns = (packages.c.purl, findings.c.rule, findings.c.act, findings.c.target, findings.c.action)
    query = (
        select(
            *columns,
            func.count(func.distinct(findings.c.host)).label("hosts"),
            func.max(findings.c.number).label("number"),
            func.max(findings.c.time).label("time"),
        )
        .join_from(findings, packages, findings.c.package == packages.c.number)
        .join(runs, findings.c.run == runs.c.number)
        .where(findings.c.number.in_(recent), runs.c.id != found["run"])
        .group_by(*columns)
        .order_by(func.max(findings.c.number).desc())
    )
    return connection.execute(query.limit(most)).mappings().all()


def history(connection: Connection, subject: str, most: int = 20) -> Sequence[RowMapping]:
    """What people did about one thing, newest first."""
    query = select(audit).where(audit.c.subject == subject).order_by(audit.c.number.desc())
    return connection.execute(query.limit(most)).mappings().all()


def open_counts(connection: Connection) -> dict[str, int]:
    """Open findings by what was done; at most a thousand are counted, since more is only "many"."""
    recent = (
        select(findings.c.action)
        .where(findings.c.state == "open")
        .order_by(findings.c.number.desc())
        .limit(_COUNTED)
        .subquery()
    )
    query = select(recent.c.action, func.count()).group_by(recent.c.action)
    return dict(map(tuple, connection.execute(query)))


def open_of_hosts(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Open findings of these hosts."""
    query = (
        select(hosts.c.id, func.count())
        .join_from(findings, hosts, findings.c.host == hosts.c.number)
        .where(hosts.c.id.in_(ids), findings.c.state == "open")
    )
    return dict(map(tuple, connection.execute(query.group_by(hosts.c.id))))
