"""Runs: which there are, and what one of them was."""

from dataclasses import dataclass
from typing import Any

import zstandard
from google.protobuf.json_format import MessageToDict
from sqlalchemy import Connection, Select, func, select

from pratique.api.v1 import run_pb2
from pratique_server import wording
from pratique_server.errors import MissingError
from pratique_server.queries.pages import Page, Row, Window, newest_first, shown
from pratique_server.store.schema import (
    gaps,
    hosts,
    packages,
    run_packages,
    runs,
    segments,
)

_LARGEST = 8 << 20
_STAGES = ("resolve", "build", "script", "first-run")
_OWN = (
    "number", "id", "started", "ended", "received", "command", "description", "user", "manager", "profile", "mode",
    "backend", "verdict", "incomplete", "exit_status", "signal", "pratique_status", "events", "findings",
)  # fmt: skip
LISTED = (
    *(runs.c[name] for name in _OWN),
    runs.c.lost.label("lost_events"),
    hosts.c.id.label("host"),
    hosts.c.name.label("host_name"),
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which runs are wanted; None: whichever."""

    host: str | None = None
    verdict: str | None = None
    manager: str | None = None
    package: str | None = None
    since: int | None = None
    until: int | None = None


def listed(connection: Connection, wanted: Filter, window: Window) -> Page:
    """Runs, the newest arrival first."""
    # An outer join keeps the order: an inner one lets SQLite begin at the hosts and sort everything for fifty rows.
    query = select(*LISTED).join_from(runs, hosts, isouter=True)
    if wanted.host is not None:
        query = query.where(
            runs.c.host == select(hosts.c.number).where(hosts.c.id == wanted.host).scalar_subquery()
        )
    if wanted.verdict is not None:
        query = query.where(runs.c.verdict == wanted.verdict)
    if wanted.manager is not None:
        query = query.where(runs.c.manager == wanted.manager)
    if wanted.since is not None:
        query = query.where(runs.c.received >= wanted.since)
    if wanted.until is not None:
        query = query.where(runs.c.received < wanted.until)
    if wanted.package is not None:
        return _of_package(connection, query, wanted.package, window)
    return newest_first(connection, query, runs.c.number, window)


def one(connection: Connection, run: str, host: str | None = None) -> Row:
    """All that is known of a run but its events."""
    row = find(connection, run, host)
    known = shown(row)
    known |= _batches(connection, row) | _summary(known.pop("document"))
    return known | {"packages": _packages(connection, row["number"]), "gaps": _gaps(connection, row)}


def find(connection: Connection, run: str, host: str | None = None) -> Row:
    """The row of a run; `MissingError` when there is none. Of equal ids of several hosts the newest counts."""
    columns = (runs.c[name] for name in ("cwd", "batches", "document", "policy"))
    query = select(*LISTED, *columns).join_from(runs, hosts, isouter=True).where(runs.c.id == run)
    query = query if host is None else query.where(hosts.c.id == host)
    row = connection.execute(query.order_by(runs.c.number.desc())).mappings().first()
    if row is None:
        raise MissingError(f"there is no run {run}")
    return dict(row)


def _of_package(connection: Connection, query: Select[Any], purl: str, window: Window) -> Page:
    """By the index of packages and runs, in its order: a package that is everywhere costs no more than a rare one."""
    query = query.join(run_packages, run_packages.c.run == runs.c.number)
    package = select(packages.c.number).where(packages.c.purl == purl).scalar_subquery()
    return newest_first(
        connection, query.where(run_packages.c.package == package), run_packages.c.run, window
    )


def _packages(connection: Connection, run: int) -> list[dict[str, Any]]:
    columns = (run_packages.c[name] for name in ("identity", "direct", "events", "net", "refused", "stages"))
    query = select(packages.c.purl, *columns).join_from(run_packages, packages)
    found = connection.execute(query.where(run_packages.c.run == run).order_by(packages.c.purl)).mappings()
    return [{**row, "stages": _words(row["stages"])} for row in found]


def _words(stages: int) -> list[str]:
    return [word for bit, word in enumerate(_STAGES, start=1) if stages >> bit & 1]


def _gaps(connection: Connection, row: Row) -> list[dict[str, Any]]:
    host = select(hosts.c.number).where(hosts.c.id == row["host"]).scalar_subquery()
    query = select(gaps).where(gaps.c.host == host, gaps.c.run == row["id"])
    return [shown(each) for each in connection.execute(query).mappings()]


def _batches(connection: Connection, row: Row) -> dict[str, Any]:
    """How many batches are here of those the host made: a run may still be on its way."""
    here = connection.scalar(
        select(func.count()).select_from(segments).where(segments.c.run == row["number"])
    )
    return {"batches_here": here, "complete": row["batches"] is not None and here == row["batches"]}


def _summary(document: bytes | None) -> dict[str, Any]:
    if document is None:
        return {"document": None}
    told = run_pb2.Run.FromString(zstandard.ZstdDecompressor().decompress(document, max_output_size=_LARGEST))
    return {
        "document": {
            "command": list(told.command),
            "environment": list(told.environment),
            "versions": dict(told.versions),
            "notes": list(told.notes),
            "guard_lost": told.guard_lost or None,
            "judged": told.judged,
            "counts": dict(told.counts),
            "policy": MessageToDict(told.policy, preserving_proto_field_name=True),
            "egress": [_peer(peer) for peer in told.egress],
        }
    }


def _peer(peer: run_pb2.Peer) -> dict[str, Any]:
    return {
        "act": wording.act(peer.act),
        "address": peer.address or None,
        "port": peer.port if peer.HasField("port") else None,
        "name": peer.name or None,
        "actor": wording.actor(peer.actor),
        "package": peer.package or None,
        "action": wording.done(peer.action),
        "count": peer.count,
    }
