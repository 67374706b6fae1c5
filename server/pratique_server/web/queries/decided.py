"""What people decided: policies, approvals and blocks, newest first, and how far hosts are with each."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, select

from pratique_server.errors import MissingError
from pratique_server.store import purls
from pratique_server.store.decisions import Decisions
from pratique_server.store.schema import approvals, blocks, hosts, policies

_NAMES = select(hosts.c.id, hosts.c.name, hosts.c.seen).where(hosts.c.state == "active")
_ORDER = {"failed": 0, "pending": 1, "applied": 2}
_MOST_ROWS = 200
TABLES: dict[str, Table] = {"policies": policies, "approvals": approvals, "blocks": blocks}


def every(connection: Connection, what: str, most: int = 100) -> Sequence[RowMapping]:
    """Policies, approvals or blocks, the newest first."""
    table = TABLES[what]
    return connection.execute(select(table).order_by(table.c.number.desc()).limit(most)).mappings().all()


def one(connection: Connection, what: str, number: int) -> RowMapping:
    """One of them."""
    table = TABLES[what]
    row = connection.execute(select(table).where(table.c.number == number)).mappings().one_or_none()
    if row is None:
        raise MissingError(f"there is no such decision: {what} {number}")
    return row


def in_force(connection: Connection) -> RowMapping | None:
    """The policy that hosts are told to apply."""
    query = select(policies).where(policies.c.state == "in force").order_by(policies.c.number.desc())
    return connection.execute(query.limit(1)).mappings().one_or_none()


def waiting(connection: Connection) -> int:
    """How many policies wait for a second person."""
    return len(connection.execute(select(policies.c.number).where(policies.c.state == "proposed")).all())


def blocks_of(connection: Connection, purl: str) -> Sequence[RowMapping]:
    """Blocks in force that name any version of a package."""
    name, _ = purls.split(purl)
    query = select(blocks).where(blocks.c.lifted.is_(None), blocks.c.purl.startswith(name, autoescape=True))
    rows = connection.execute(query.order_by(blocks.c.number.desc()).limit(_MOST_ROWS)).mappings().all()
    return [row for row in rows if purls.split(row["purl"])[0] == name]


def spread(decisions: Decisions, connection: Connection, kind: str, version: int) -> dict[str, Any]:
    """How many hosts applied, failed or wait for a version; the ones that are not there yet come first."""
    rows = decisions.progress(kind, version)
    names = {id_: {"name": name, "seen": seen} for id_, name, seen in connection.execute(_NAMES)}
    counted = Counter(row["state"] for row in rows)
    shown = sorted(rows, key=lambda row: (_ORDER[row["state"]], row["id"]))[:_MOST_ROWS]
    return {
        "hosts": len(rows),
        **{state: counted[state] for state in _ORDER},
        "rows": [{**row, **names.get(row["id"], {"name": None, "seen": None})} for row in shown],
    }
