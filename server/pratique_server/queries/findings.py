"""Findings: which there are, and one with its evidence, in the words of report/v1."""

from dataclasses import dataclass, fields
from typing import Any

import zstandard
from sqlalchemy import Connection, Select, select, update

from pratique.api.v1 import run_pb2
from pratique_server import wording
from pratique_server.errors import MissingError, UsageError
from pratique_server.queries.pages import Page, Window, newest_first, shown
from pratique_server.store.schema import findings, hosts, packages, runs

STATES = ("open", "acknowledged", "allowed", "blocked")
_LARGEST = 8 << 20
_OWN = (
    "number", "id", "rule", "title", "severity", "action", "stage", "actor", "act", "target", "time", "count",
    "state",
)  # fmt: skip
_LISTED = (
    *(findings.c[name] for name in _OWN),
    runs.c.id.label("run"),
    hosts.c.id.label("host"),
    hosts.c.name.label("host_name"),
    packages.c.purl.label("package"),
)
# Outer joins keep the order: inner ones let SQLite begin at the hosts and sort everything for fifty rows.
_FROM = findings.outerjoin(runs).outerjoin(hosts, findings.c.host == hosts.c.number).outerjoin(packages)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which findings are wanted; None: whichever."""

    rule: str | None = None
    severity: str | None = None
    action: str | None = None
    act: str | None = None
    state: str | None = None
    host: str | None = None
    package: str | None = None
    run: str | None = None


# By number, so that an index gives the rows in their order: by name, all of a host's would be looked up and sorted.
_NAMED: dict[str, tuple[Any, Any, Any]] = {
    "host": (findings.c.host, hosts.c.number, hosts.c.id),
    "package": (findings.c.package, packages.c.number, packages.c.purl),
    "run": (findings.c.run, runs.c.number, runs.c.id),
}


def listing() -> Select[Any]:
    """Findings as lists show them."""
    return select(*_LISTED).select_from(_FROM)


def listed(connection: Connection, wanted: Filter, window: Window) -> Page:
    """Findings, the newest arrival first."""
    query = listing()
    for field in fields(Filter):
        value = getattr(wanted, field.name)
        if value is not None:
            query = query.where(_meets(field.name, value))
    return newest_first(connection, query, findings.c.number, window)


def _meets(name: str, value: str) -> Any:
    if name not in _NAMED:
        return findings.c[name] == value
    column, number, known_as = _NAMED[name]
    return column.in_(select(number).where(known_as == value))


def one(connection: Connection, number: int) -> dict[str, Any]:
    """A finding with its process chain, the line of code, and the stanza that would allow it."""
    query = select(*_LISTED, findings.c.document).select_from(_FROM).where(findings.c.number == number)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise MissingError(f"there is no finding {number}")
    known = shown(row)
    data = zstandard.ZstdDecompressor().decompress(known.pop("document"), max_output_size=_LARGEST)
    return known | _evidence(run_pb2.Finding.FromString(data))


def mark(connection: Connection, number: int, state: str) -> None:
    """Say what was made of a finding."""
    if state not in STATES:
        raise UsageError(f"{state!r} is no state of a finding", f"one of {', '.join(STATES)}")
    done = connection.execute(update(findings).where(findings.c.number == number).values(state=state))
    if done.rowcount != 1:
        raise MissingError(f"there is no finding {number}")


def _evidence(told: run_pb2.Finding) -> dict[str, Any]:
    line, origin = told.source, told.origin
    return {
        "would": wording.done(told.would) if told.would else None,
        "level": wording.level(told.level),
        "identity": wording.quality(told.identity),
        "candidates": list(told.candidates),
        "origin": {
            "pid": origin.pid,
            "argv": list(origin.argv),
            "cwd": origin.cwd,
            "reason": origin.reason or None,
        }
        if told.HasField("origin")
        else None,
        "process": _process(told.process),
        "ancestry": [_process(each) for each in told.ancestry],
        "groups": list(told.groups),
        "tainted": told.tainted,
        "source": {"file": line.file, "line": line.line, "function": line.function, "quality": line.quality}
        if told.HasField("source")
        else None,
        "techniques": list(told.techniques),
        "explain": told.explain,
        "allow": told.allow or None,
    }


def _process(process: run_pb2.Process) -> dict[str, Any]:
    return {
        "pid": process.pid,
        "exe": process.exe or None,
        "argv": list(process.argv),
        "parent": process.parent if process.HasField("parent") else None,
        "actor": wording.actor(process.actor),
    }
