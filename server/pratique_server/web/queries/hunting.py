"""Beside the search: techniques, and hunts that somebody kept."""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select

from pratique_server import moments
from pratique_server.errors import UsageError
from pratique_server.store.schema import findings, hunts, runs
from pratique_server.web.queries import documents

LONGEST = 512
_TECHNIQUE = re.compile(r"(?:T\d{4}(?:\.\d{3})?|AML\.T\d{4}(?:\.\d{3})?)")


def rules_of(connection: Connection, technique: str) -> list[str]:
    """The rules that ever fired for a technique, as the newest finding of each says."""
    if not _TECHNIQUE.fullmatch(technique):
        return []
    newest = select(func.max(findings.c.number)).group_by(findings.c.rule)
    query = select(findings.c.rule, findings.c.document).where(findings.c.number.in_(newest))
    said = ((rule, documents.finding_of(data)) for rule, data in connection.execute(query))
    return [rule for rule, found in said if found and any(_under(t, technique) for t in found.techniques)]


def saved(connection: Connection) -> Sequence[RowMapping]:
    """Hunts that somebody kept."""
    return connection.execute(select(hunts).order_by(hunts.c.name)).mappings().all()


def save(connection: Connection, name: str, query: str, author: str, *, alert: bool = False) -> None:
    """Keep a hunt under a name, in the place of an older one of it. `alert`: ask it of all that comes from now on."""
    if not name.strip() or not query.strip():
        raise UsageError("a hunt needs a name and a question")
    row: dict[str, Any] = {"name": name.strip()[:80], "query": query.strip()[:LONGEST], "author": author}
    newest = connection.scalar(select(func.max(runs.c.number))) or 0
    row |= {"alert": alert, "reached": newest}
    connection.execute(delete(hunts).where(hunts.c.name == row["name"]))
    connection.execute(insert(hunts), {**row, "created": moments.now()})


def forget(connection: Connection, name: str) -> None:
    """Keep a hunt no longer."""
    connection.execute(delete(hunts).where(hunts.c.name == name))


def _under(technique: str, asked: str) -> bool:
    return technique == asked or technique.startswith(f"{asked}.")
