"""Sums over runs, per host and package: what is true of the runs of a group after it, less what was true before.

So they come out the same in whatever batches and order a run arrives, and however often it is told again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, bindparam, case, delete, exists, func, select, update

from pratique_server.store.schema import (
    deed_hosts,
    deeds,
    host_packages,
    host_sets,
    package_observables,
    package_set_members,
    run_packages,
    runs,
    sightings,
)

VERDICTS = (None, "clean", "findings", "blocked")
"""By rank."""
_RANKS = {verdict: rank for rank, verdict in enumerate(VERDICTS)}
_RANKED = {verdict: rank for verdict, rank in _RANKS.items() if verdict}
_COUNTS = ("runs", "installed", "events", "net", "refused")
_AT_ONCE = 400

Row = dict[str, Any]
Counts = tuple[int, int, int, int, int]


class RunState(NamedTuple):
    """What totals need to know of a run."""

    host: int
    package_set: int | None
    rank: int
    when: int


class State(NamedTuple):
    """What is stored of some runs, at one moment of a transaction that holds them."""

    runs: Mapping[int, RunState]
    acted: Mapping[tuple[int, int], Counts]
    """By run and package."""
    seen: frozenset[tuple[int, int, int]]
    """Observable, run, package."""


def state(connection: Connection, numbers: Sequence[int], *, seen: bool) -> State:
    """The state of these runs; no other transaction changes them until this one ends."""
    found: dict[int, RunState] = {}
    acted: dict[tuple[int, int], Counts] = {}
    known: set[tuple[int, int, int]] = set()
    for begin in range(0, len(numbers), _AT_ONCE):
        few = numbers[begin : begin + _AT_ONCE]
        for row in connection.execute(_RUNS.where(runs.c.number.in_(few)).with_for_update()):
            found[row[0]] = RunState(row[1], row[2], _RANKS.get(row[3], 0), row[4])
        for run, package, installed, *counts in connection.execute(_ACTED.where(runs.c.number.in_(few))):
            acted[run, package] = (1, int(bool(installed)), *counts)
        if seen:
            known.update(map(tuple, connection.execute(_SEEN.where(sightings.c.run.in_(few)))))
    return State(found, acted, frozenset(known))


class Totals:
    """Keeps the sums up; the caller sees to it that nobody else changes these runs meanwhile."""

    def __init__(self, insert: Any) -> None:
        self._packages = _adding(insert(host_packages), _COUNTS)
        self._sets = _adding(insert(host_sets), ("runs",))
        self._observables = _observing(insert(package_observables))
        self._deeds = _doing(insert(deeds))
        self._deed_hosts = insert(deed_hosts).on_conflict_do_nothing()

    def add(self, connection: Connection, before: State, after: State) -> None:
        """Add what a group of batches changed."""
        _many(connection, self._packages, _of_packages(before, after))
        sets = _of_sets(before, after)
        _many(connection, self._sets, sets)
        _left(connection, before, after)

    def observe(self, connection: Connection, before: State, rows: Iterable[Row]) -> None:
        """Add sightings that were just stored; `before`: the state before they were."""
        _many(connection, self._observables, _of_observables(before, rows))

    def do(self, connection: Connection, found: Iterable[Row]) -> None:
        """Add findings that are new, each with the number of its package and host."""
        grouped, hit = _of_deeds(found)
        if not grouped:
            return
        made = connection.execute(self._deeds, grouped).all()
        rows = [{"deed": number, "host": host} for number, *key in made for host in hit[tuple(key)]]
        _many(connection, self._deed_hosts, sorted(rows, key=lambda row: (row["deed"], row["host"])))


def forget(connection: Connection, numbers: Sequence[int]) -> None:
    """Take runs that are about to be deleted out of the sums of hosts.

    What a package did, and when it was first seen, stays true: observables and deeds are not counted down.
    """
    going = state(connection, numbers, seen=False)
    nothing = State({}, {}, frozenset())
    _less(connection, host_packages, _of_packages(nothing, going), _COUNTS)
    _less(connection, host_sets, _of_sets(nothing, going), ("runs",))


def _less(connection: Connection, table: Table, rows: list[Row], counts: Iterable[str]) -> None:
    keys = list(table.primary_key.columns)
    named = [key == bindparam(f"at_{key.name}") for key in keys]
    less = {table.c[name]: table.c[name] - bindparam(f"less_{name}") for name in counts}
    at = [{f"at_{key.name}": row[key.name] for key in keys} for row in rows]
    given = [{**key, **{f"less_{n}": row[n] for n in counts}} for key, row in zip(at, rows, strict=True)]
    _many(connection, update(table).where(*named).values(less), given)
    _gone(connection, table, rows)


def _gone(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    """Drop those of these rows that no run is left for."""
    keys = list(table.primary_key.columns)
    named = [key == bindparam(f"at_{key.name}") for key in keys]
    at = [{f"at_{key.name}": row[key.name] for key in keys} for row in rows]
    _many(connection, delete(table).where(*named, table.c.runs <= 0), at)


_RUNS = select(
    runs.c.number, runs.c.host, runs.c.package_set, runs.c.verdict, func.coalesce(runs.c.started, runs.c.received)
).order_by(runs.c.number)  # fmt: skip
_ACTED = select(
    run_packages.c.run,
    run_packages.c.package,
    exists()
    .where(
        package_set_members.c.package_set == runs.c.package_set,
        package_set_members.c.package == run_packages.c.package,
    )
    .label("installed"),
    run_packages.c.events,
    run_packages.c.net,
    run_packages.c.refused,
).join_from(runs, run_packages, run_packages.c.run == runs.c.number)
_WHEN = func.coalesce(runs.c.started, runs.c.received)
_OF_SET = (runs.c.package_set == host_sets.c.package_set, runs.c.host == host_sets.c.host)
_ANEW = (
    update(host_sets)
    .where(host_sets.c.package_set == bindparam("at_package_set"), host_sets.c.host == bindparam("at_host"))
    .values(
        rank=select(func.max(case(_RANKED, value=runs.c.verdict, else_=0))).where(*_OF_SET).scalar_subquery(),
        first=select(func.min(_WHEN)).where(*_OF_SET).scalar_subquery(),
        last=select(func.max(_WHEN)).where(*_OF_SET).scalar_subquery(),
    )
)
_SEEN = select(sightings.c.observable, sightings.c.run, sightings.c.package)


def _of_packages(before: State, after: State) -> list[Row]:
    sums: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0] * len(_COUNTS))
    about: dict[tuple[int, int], list[RunState]] = defaultdict(list)
    for (run, package), counts in after.acted.items():
        key = (package, after.runs[run].host)
        old = before.acted.get((run, package), (0,) * len(_COUNTS))
        sums[key] = [total + new - was for total, new, was in zip(sums[key], counts, old, strict=True)]
        about[key].append(after.runs[run])
    return [
        {
            "package": key[0],
            "host": key[1],
            **dict(zip(_COUNTS, sums[key], strict=True)),
            **_times(about[key]),
        }
        for key in sorted(sums)
    ]


def _of_sets(before: State, after: State) -> list[Row]:
    sums: dict[tuple[int, int], int] = defaultdict(int)
    about: dict[tuple[int, int], list[RunState]] = defaultdict(list)
    for number, run in after.runs.items():
        old = before.runs.get(number)
        was = None if old is None else old.package_set
        if run.package_set is not None:
            sums[run.package_set, run.host] += was != run.package_set
            about[run.package_set, run.host].append(run)
        if was is not None and was != run.package_set:
            sums[was, run.host] -= 1
            about[was, run.host].append(old or run)
    return [
        {"package_set": key[0], "host": key[1], "runs": sums[key], **_times(about[key])}
        for key in sorted(sums)
    ]


def _left(connection: Connection, before: State, after: State) -> None:
    """A run that is told again with another set leaves the one it had: what is left there is looked at anew."""
    moved = [
        (old.package_set, old.host)
        for number, old in before.runs.items()
        if old.package_set is not None and after.runs[number].package_set != old.package_set
    ]
    rows = [{"package_set": key[0], "host": key[1]} for key in sorted(set(moved))]
    _gone(connection, host_sets, rows)
    _many(connection, _ANEW, [{f"at_{name}": row[name] for name in row} for row in rows])


def _times(about: Sequence[RunState]) -> Row:
    times = [run.when for run in about]
    return {"first": min(times), "last": max(times), "rank": max(run.rank for run in about)}


def _of_observables(before: State, rows: Iterable[Row]) -> list[Row]:
    merged: dict[tuple[int, int], Row] = {}
    for row in rows:
        if not row["package"]:
            continue
        key = (row["package"], row["observable"])
        fresh = (row["observable"], row["run"], row["package"]) not in before.seen
        known = merged.setdefault(
            key,
            {
                "package": key[0],
                "observable": key[1],
                "runs": 0,
                "events": 0,
                "first": row["first"],
                "run": 0,
            },
        )
        known["runs"] += fresh
        known["events"] += row["events"]
        known["first"] = min(known["first"], row["first"])
        known["run"] = max(known["run"], row["run"])
    return [merged[key] for key in sorted(merged)]


_DEED = ("package", "rule", "action", "act", "target")


def _of_deeds(found: Iterable[Row]) -> tuple[list[Row], dict[tuple[Any, ...], set[int]]]:
    merged: dict[tuple[Any, ...], Row] = {}
    hit: dict[tuple[Any, ...], set[int]] = defaultdict(set)
    for row in found:
        if row["package"] is None:
            continue
        key = tuple(row[name] for name in _DEED)
        new = {name: row[name] for name in (*_DEED, "title", "severity")}
        known = merged.setdefault(key, {**new, "times": 0, "first": row["time"]})
        known["times"] += 1
        known["first"] = min(known["first"], row["time"])
        hit[key].add(row["host"])
    return [merged[key] for key in sorted(merged)], hit


def _adding(statement: Any, counts: Iterable[str]) -> Any:
    table, new = statement.table, statement.excluded
    changes: Row = {
        "first": _least(table.c.first, new.first),
        "last": _most(table.c.last, new.last),
        "rank": _most(table.c.rank, new.rank),
        **{name: table.c[name] + new[name] for name in counts},
    }
    return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=changes)


def _observing(statement: Any) -> Any:
    table, new = statement.table, statement.excluded
    changes: Row = {
        "first": _least(table.c.first, new.first),
        "run": _most(table.c.run, new.run),
        **{name: table.c[name] + new[name] for name in ("runs", "events")},
    }
    return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=changes)


def _doing(statement: Any) -> Any:
    table, new = statement.table, statement.excluded
    changes: Row = {"times": table.c.times + new.times, "first": _least(table.c.first, new.first)}
    keys = [table.c[name] for name in _DEED]
    upsert = statement.on_conflict_do_update(index_elements=keys, set_=changes)
    return upsert.returning(table.c.number, *keys)


def _least(old: Any, new: Any) -> Any:
    return case((new < old, new), else_=old)


def _most(old: Any, new: Any) -> Any:
    return case((new > old, new), else_=old)


def _many(connection: Connection, statement: Any, rows: list[Row]) -> None:
    if rows:
        connection.execute(statement, rows)
