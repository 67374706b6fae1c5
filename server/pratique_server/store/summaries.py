"""What lists and blast radius are answered from: counts per run and package, findings, sightings, package sets."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, update

from pratique_server import moments
from pratique_server.store.records import Batch, Gap, Package
from pratique_server.store.schema import (
    findings,
    gaps,
    run_packages,
    runs,
    sightings,
    tallies,
)
from pratique_server.store.totals import State, Totals, state

SHARDS = 16

Row = dict[str, Any]
Fresh = Sequence[tuple[int, Batch]]


@dataclass(frozen=True, slots=True)
class Known:
    """The numbers of everything that the batches of a group name."""

    hosts: Mapping[str, int]
    packages: Mapping[Any, int]
    observables: Mapping[Any, int]


def is_told(batch: Batch) -> bool:
    """Whether a batch says more than events."""
    return bool(
        batch.facts or batch.packages or batch.findings or batch.sightings or batch.installed is not None
    )


class Summaries:
    """Adds what new batches say; the caller sees to it that each batch comes here once."""

    def __init__(self, insert: Any) -> None:
        self._findings = (
            insert(findings)
            .on_conflict_do_nothing(index_elements=[findings.c.run, findings.c.id])
            .returning(findings.c.run, findings.c.id, findings.c.package, findings.c.action)
        )
        self._gaps = insert(gaps).on_conflict_do_nothing(index_elements=[gaps.c.host, gaps.c.id])
        self._refusals = _adding(insert(run_packages), ("refused",))
        self._activity = _telling(insert(run_packages))
        self._sightings = _adding(insert(sightings), ("events",))
        self._totals = Totals(insert)
        self._tallies = tallying(insert)
        self._shard = os.getpid() % SHARDS

    def write(self, connection: Connection, fresh: Fresh, known: Known, before: State) -> None:
        """Add everything that `fresh` says beside its events; `before`: the state of the runs that it is about."""
        seen = _sightings(fresh, known)
        _many(connection, self._activity, _activities(fresh, known))
        _many(connection, self._sightings, seen)
        _many(connection, self._gaps, _gaps(fresh, known))
        self._write_findings(connection, fresh, known)
        if about := sorted({run for run, batch in fresh if is_told(batch)}):
            self._totals.add(connection, before, state(connection, about, seen=False))
        self._totals.observe(connection, before, seen)
        self._write_tallies(connection, fresh, before)

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
        new = {(row.run, row.id) for row in made}
        by_key = {(row["run"], row["id"]): row for row in reversed(rows)}  # of equal ids the first was taken
        self._totals.do(connection, (by_key[key] for key in new))

    def _write_tallies(self, connection: Connection, fresh: Fresh, before: State) -> None:
        """Last of all, so that the rows everybody adds to are held as short as can be."""
        sums: Counter[tuple[str, str]] = Counter()
        counted = {run for run, known in before.runs.items() if known.rank}
        for run, batch in fresh:
            day = moments.day(batch.received)
            sums[day, "events"] += batch.segment.events
            sums[day, "findings"] += len(batch.findings)
            if batch.facts.get("verdict") and run not in counted:  # told again, it is the same run
                counted.add(run)
                sums[day, "runs.incomplete"] += bool(batch.facts.get("incomplete"))
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
