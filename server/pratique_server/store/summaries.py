"""What lists and blast radius are answered from: counts per run and package, findings, sightings, package sets."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, select, update

from pratique_server import moments
from pratique_server.store.records import Batch, Gap, Package
from pratique_server.store.schema import (
    findings,
    gaps,
    package_set_members,
    package_sets,
    run_packages,
    runs,
    sightings,
    tallies,
)

SHARDS = 16

Row = dict[str, Any]
Fresh = Sequence[tuple[int, Batch]]


@dataclass(frozen=True, slots=True)
class Known:
    """The numbers of everything that the batches of a group name."""

    hosts: Mapping[str, int]
    packages: Mapping[Any, int]
    observables: Mapping[Any, int]


class Summaries:
    """Adds what new batches say; the caller sees to it that each batch comes here once."""

    def __init__(self, insert: Any) -> None:
        self._sets = insert(package_sets).on_conflict_do_nothing(index_elements=[package_sets.c.digest])
        self._members = insert(package_set_members).on_conflict_do_nothing()
        self._findings = (
            insert(findings)
            .on_conflict_do_nothing(index_elements=[findings.c.run, findings.c.id])
            .returning(findings.c.run, findings.c.package, findings.c.action)
        )
        self._gaps = insert(gaps).on_conflict_do_nothing(index_elements=[gaps.c.host, gaps.c.id])
        self._refusals = _adding(insert(run_packages), ("refused",))
        self._activity = _telling(insert(run_packages))
        self._sightings = _adding(insert(sightings), ("events",))
        self._tallies = tallying(insert)
        self._shard = os.getpid() % SHARDS

    def write(self, connection: Connection, fresh: Fresh, known: Known) -> None:
        """Add everything that `fresh` says beside its events."""
        _many(connection, self._activity, _activities(fresh, known))
        _many(connection, self._sightings, _sightings(fresh, known))
        _many(connection, self._gaps, _gaps(fresh, known))
        self._write_findings(connection, fresh, known)
        for run, batch in fresh:
            if batch.installed is not None:
                self._write_set(connection, run, batch.installed, known)
        self._write_tallies(connection, fresh)

    def _write_findings(self, connection: Connection, fresh: Fresh, known: Known) -> None:
        rows = [_finding(run, batch, found, known) for run, batch in fresh for found in batch.findings]
        if not rows:
            return
        made = connection.execute(self._findings, rows).all()
        per_run, refused = (
            Counter(row.run for row in made),
            Counter((row.run, row.package) for row in made if row.package and row.action != "audited"),
        )
        _many(connection, _COUNT_FINDINGS, [{"at": run, "more": per_run[run]} for run in sorted(per_run)])
        refusals = [_nothing(*key) | {"refused": refused[key]} for key in sorted(refused)]
        _many(connection, self._refusals, refusals)

    def _write_set(self, connection: Connection, run: int, installed: Sequence[str], known: Known) -> None:
        """Equal installs share one set: an install of 500 packages on 1 000 hosts is 500 rows, not 500 000."""
        members = sorted(set(installed))
        digest = hashlib.sha256("\0".join(members).encode("utf-8", "surrogatepass")).digest()
        connection.execute(self._sets, {"digest": digest, "members": len(members)})
        number = connection.execute(
            select(package_sets.c.number).where(package_sets.c.digest == digest)
        ).scalar_one()
        rows = [{"package_set": number, "package": known.packages[purl]} for purl in members]
        _many(connection, self._members, rows)
        connection.execute(update(runs).where(runs.c.number == run).values(package_set=number))

    def _write_tallies(self, connection: Connection, fresh: Fresh) -> None:
        """Last of all, so that the rows everybody adds to are held as short as can be."""
        sums: Counter[tuple[str, str]] = Counter()
        for _, batch in fresh:
            day = moments.day(batch.received)
            sums[day, "events"] += batch.segment.events
            sums[day, "findings"] += len(batch.findings)
            sums[day, "runs.incomplete"] += bool(batch.facts.get("incomplete"))
            if batch.facts.get("verdict"):
                sums[day, f"runs.{batch.facts['verdict']}"] += 1
        rows = [
            {"day": day, "name": name, "shard": self._shard, "total": sums[day, name]}
            for day, name in sorted(sums)
            if sums[day, name]
        ]
        _many(connection, self._tallies, rows)


def tallying(insert: Any) -> Any:
    """The statement that adds to a day's sums."""
    statement = insert(tallies)
    changes = {"total": tallies.c.total + statement.excluded.total}
    return statement.on_conflict_do_update(index_elements=list(tallies.primary_key.columns), set_=changes)


def _adding(statement: Any, counts: Iterable[str]) -> Any:
    """An upsert that adds to the counts that are there, and keeps the earlier of the two first times."""
    table, new = statement.table, statement.excluded
    changes: Row = {"first": _lesser(table.c.first, new.first), **{n: table.c[n] + new[n] for n in counts}}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=changes)


def _telling(statement: Any) -> Any:
    """An upsert of totals: the host counts over the whole run, so the larger number is the newer one."""
    table, new = statement.table, statement.excluded
    changes: Row = {
        "first": _lesser(table.c.first, new.first),
        **{name: _greater(table.c[name], new[name]) for name in ("events", "net")},
        "stages": table.c.stages.bitwise_or(new.stages),
        "identity": func.coalesce(new.identity, table.c.identity),
        "direct": func.coalesce(new.direct, table.c.direct),
        "document": func.coalesce(new.document, table.c.document),
    }
    return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=changes)


def _lesser(old: Any, new: Any) -> Any:
    return case((old.is_(None), new), (new < old, new), else_=old)


def _greater(old: Any, new: Any) -> Any:
    return case((new > old, new), else_=old)


def _many(connection: Connection, statement: Any, rows: list[Row]) -> None:
    if rows:
        connection.execute(statement, rows)


def _activities(fresh: Fresh, known: Known) -> list[Row]:
    """One row per run and package: an upsert may not meet the same key twice in one statement."""
    merged: dict[tuple[int, int], Row] = {}
    for run, batch in fresh:
        for package in batch.packages:
            key = (run, known.packages[package.purl])
            _tell(merged.setdefault(key, _nothing(*key)), package)
    return [merged[key] for key in sorted(merged)]


def _nothing(run: int, package: int) -> Row:
    counts = dict.fromkeys(("events", "net", "refused", "stages"), 0)
    unknown = dict.fromkeys(("first", "identity", "direct", "document"))
    return {"run": run, "package": package, **counts, **unknown}


def _tell(row: Row, package: Package) -> None:
    row["events"] = max(row["events"], package.events)
    row["net"] = max(row["net"], package.net)
    row["stages"] |= package.stages
    row["first"] = min((t for t in (row["first"], package.first) if t is not None), default=None)
    row["identity"] = package.identity or row["identity"]
    row["direct"] = row["direct"] if package.direct is None else package.direct
    row["document"] = package.document or row["document"]


def _sightings(fresh: Fresh, known: Known) -> list[Row]:
    merged: dict[tuple[int, int, int], Row] = {}
    for run, batch in fresh:
        for seen in batch.sightings:
            package = 0 if seen.purl is None else known.packages[seen.purl]
            key = (known.observables[seen.value, seen.kind], run, package)
            row = merged.setdefault(
                key, {**dict(zip(_SIGHTING, key, strict=True)), "events": 0, "first": seen.first}
            )
            row["events"] += seen.events
            row["first"] = min(row["first"], seen.first)
    return [merged[key] for key in sorted(merged)]


def _gaps(fresh: Fresh, known: Known) -> list[Row]:
    return [gap_row(known.hosts[batch.host], gap) for _, batch in fresh for gap in batch.gaps]


def gap_row(host: int, gap: Gap) -> Row:
    """The row of a gap that this host told of."""
    return {"host": host, **{each.name: getattr(gap, each.name) for each in fields(Gap)}}


def _finding(run: int, batch: Batch, found: Any, known: Known) -> Row:
    names = ("id", "rule", "title", "severity", "action", "stage", "actor", "act", "target", "time", "count")
    return {
        "run": run,
        "host": known.hosts[batch.host],
        "package": None if found.purl is None else known.packages[found.purl],
        "document": found.document,
        **{name: getattr(found, name) for name in names},
    }


_SIGHTING = ("observable", "run", "package")
_COUNT_FINDINGS = (
    update(runs)
    .where(runs.c.number == bindparam("at"))
    .values({runs.c.findings: runs.c.findings + bindparam("more")})
)
