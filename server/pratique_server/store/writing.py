"""Batches into the index: a group of them in one transaction, each counted once however often it comes.

A batch counts only if its row in `segments` was new in this very transaction. Summaries, findings and
observables hang on that, so a batch that is sent again, to this collector or another one, adds nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, case, func, select, tuple_, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from pratique_server.errors import MalformedError, RefusedError, StoreError
from pratique_server.store import purls, summaries, totals
from pratique_server.store.database import insert_of, writing
from pratique_server.store.numbers import Numbers
from pratique_server.store.records import Batch, Installed, Outcome
from pratique_server.store.schema import hosts, observables, packages, runs, segments
from pratique_server.store.segments import SegmentStore
from pratique_server.store.sets import Sets, digest_of

_TRIES = 4
_FACTS = [
    "started",
    "ended",
    "command",
    "description",
    "cwd",
    "user",
    "manager",
    "profile",
    "mode",
    "backend",
    "policy",
    "verdict",
    "incomplete",
    "lost",
    "exit_status",
    "signal",
    "pratique_status",
    "batches",
    "document",
]

Row = dict[str, Any]
Key = tuple[int, int]
"""Number of a run, number of a batch in it."""


class Writer:
    """Writes batches; one thread at a time may use it."""

    def __init__(self, engine: Engine, store: SegmentStore) -> None:
        self._engine, self._store = engine, store
        insert = insert_of(engine)
        self._packages = Numbers(packages, insert, "purl")
        self._runs = Numbers(runs, insert, "host", "id")
        self._observables = Numbers(observables, insert, "value", "kind")
        self._hosts: dict[str, int] = {}
        self._add_segments = (
            insert(segments)
            .on_conflict_do_nothing(index_elements=[segments.c.run, segments.c.seq])
            .returning(segments.c.run, segments.c.seq)
        )
        self._sets = Sets(insert)
        self._summaries = summaries.Summaries(insert)

    def write(self, batches: Sequence[Batch]) -> list[Outcome]:
        """Store `batches` durably; what became of each. All or none: an error means ask again."""
        locations = self._store.put([(batch.segment, batch.received) for batch in batches])
        for attempt in range(_TRIES):
            try:
                return self._once(batches, locations)
            except DataError as error:
                self._forget()
                raise MalformedError("the database cannot hold what this batch says") from error
            except DBAPIError as error:
                self._forget()
                if attempt + 1 == _TRIES or not _worth_another(error):
                    raise StoreError("the batches could not be stored", str(error.orig)) from error
            except BaseException:
                self._forget()
                raise
        raise AssertionError

    def _once(self, batches: Sequence[Batch], locations: Sequence[str]) -> list[Outcome]:
        with writing(self._engine) as connection:
            owners = self._owners(connection, batches)
            numbers = self._run_numbers(connection, batches, owners)
            keys = [(numbers[owners[batch.host], batch.run], batch.seq) for batch in batches]
            fresh = self._add(connection, _firsts(keys, batches, locations))
            if fresh:
                self._digest(connection, fresh, owners)
            outcomes = _outcomes(connection, keys, batches, fresh)
        for each in (self._packages, self._runs, self._observables, self._sets):
            each.keep()
        return outcomes

    def _owners(self, connection: Connection, batches: Iterable[Batch]) -> dict[str, int]:
        wanted = {batch.host for batch in batches}
        if not wanted <= self._hosts.keys():
            found = connection.execute(select(hosts.c.id, hosts.c.number).where(hosts.c.id.in_(wanted)))
            self._hosts |= dict(map(tuple, found))
        unknown = wanted - self._hosts.keys()
        if unknown:
            raise RefusedError(f"host {min(unknown)} is not enrolled here", "enrol it again")
        return self._hosts

    def _run_numbers(
        self, connection: Connection, batches: Iterable[Batch], owners: dict[str, int]
    ) -> dict[Any, int]:
        rows = [{"host": owners[b.host], "id": b.run, "received": b.received} for b in batches]
        return self._runs.of(connection, rows)

    def _add(self, connection: Connection, batches: dict[Key, tuple[Batch, str]]) -> list[tuple[int, Batch]]:
        """The batches that were not there yet, with the number of their run."""
        rows = [_segment(key, *batches[key]) for key in sorted(batches)]
        made = connection.execute(self._add_segments, rows).all()
        return [(run, batches[run, seq][0]) for run, seq in sorted(map(tuple, made))]

    def _digest(self, connection: Connection, fresh: list[tuple[int, Batch]], owners: dict[str, int]) -> None:
        missing = self._sets.missing(connection, (batch for _, batch in fresh))
        rows = [purls.row(*each) for each in _purls((batch for _, batch in fresh), missing)]
        named = self._packages.of(connection, rows)
        seen = self._observables.of(connection, _observed(batch for _, batch in fresh))
        about = {run for run, batch in fresh if summaries.is_told(batch)} - self._runs.made
        before = totals.state(connection, sorted(about), seen=bool(seen))
        connection.execute(_UPDATE_RUN, [_facts(run, group) for run, group in _by_run(fresh).items()])
        self._sets.write(connection, fresh, missing, named)
        self._summaries.write(connection, fresh, summaries.Known(owners, named, seen), before)
        last = {owners[batch.host]: batch.received for _, batch in fresh}
        connection.execute(_SEEN, [{"at": host, "moment": last[host]} for host in sorted(last)])

    def _forget(self) -> None:
        self._hosts = {}
        for each in (self._packages, self._runs, self._observables, self._sets):
            each.drop()


def _firsts(
    keys: Sequence[Key], batches: Sequence[Batch], locations: Sequence[str]
) -> dict[Key, tuple[Batch, str]]:
    """By key; when a group holds a key twice, the first that came counts."""
    known: dict[Key, tuple[Batch, str]] = {}
    for key, batch, location in zip(keys, batches, locations, strict=True):
        known.setdefault(key, (batch, location))
    return known


def _outcomes(
    connection: Connection, keys: Sequence[Key], batches: Sequence[Batch], fresh: Iterable[tuple[int, Batch]]
) -> list[Outcome]:
    new = {id(batch) for _, batch in fresh}
    old = [key for key, batch in zip(keys, batches, strict=True) if id(batch) not in new]
    stored: dict[Key, bytes] = {}
    if old:
        query = select(segments.c.run, segments.c.seq, segments.c.digest)
        found = connection.execute(query.where(tuple_(segments.c.run, segments.c.seq).in_(old)))
        stored = {(run, seq): digest for run, seq, digest in found}
    return [
        Outcome.NEW
        if id(batch) in new
        else Outcome.DUPLICATE
        if stored.get(key) == batch.segment.digest
        else Outcome.CONFLICT
        for key, batch in zip(keys, batches, strict=True)
    ]


def _segment(key: Key, batch: Batch, location: str) -> Row:
    segment = batch.segment
    return {
        "run": key[0],
        "seq": key[1],
        "first": segment.first,
        "last": segment.last,
        "events": segment.events,
        "bytes": len(segment.data),
        "codec": segment.codec,
        "digest": segment.digest,
        "location": location,
    }


def _by_run(fresh: Iterable[tuple[int, Batch]]) -> dict[int, list[Batch]]:
    groups: dict[int, list[Batch]] = defaultdict(list)
    for run, batch in fresh:
        groups[run].append(batch)
    return groups


def _facts(run: int, batches: Iterable[Batch]) -> Row:
    row: Row = {"at": run, **{f"new_{name}": None for name in _FACTS}, "more": 0}
    for batch in batches:
        row["more"] += batch.segment.events
        row |= {f"new_{name}": value for name, value in batch.facts.items() if name in _FACTS}
    return row


def _purls(
    batches: Iterable[Batch], missing: Mapping[bytes, Sequence[Installed]]
) -> Iterable[tuple[str, int]]:
    for batch in batches:
        named = {package.purl for package in batch.packages}
        if batch.installed is not None and digest_of(batch.installed) in missing:
            named |= {each.purl for each in batch.installed}
        named |= {found.purl for found in batch.findings if found.purl is not None}
        named |= {seen.purl for seen in batch.sightings if seen.purl is not None}
        yield from ((purl, batch.received) for purl in named)


def _observed(batches: Iterable[Batch]) -> list[Row]:
    return [{"kind": s.kind, "value": s.value, "first": s.first} for b in batches for s in b.sightings]


def _worth_another(error: DBAPIError) -> bool:
    """A deadlock, a server that went away, a row that retention took: the same again may well succeed."""
    code = str(getattr(error.orig, "sqlstate", None) or "")
    return (
        error.connection_invalidated
        or isinstance(error, IntegrityError)
        or code.startswith(("40", "57", "08"))
    )


# What a batch does not say stays: the beginning and the end of a run may come in any order.
_UPDATE_RUN = (
    update(runs)
    .where(runs.c.number == bindparam("at"))
    .values(
        {
            runs.c.events: runs.c.events + bindparam("more"),
            **{
                runs.c[name]: func.coalesce(bindparam(f"new_{name}", type_=runs.c[name].type), runs.c[name])
                for name in _FACTS
            },
        }
    )
)
_MOMENT = bindparam("moment", type_=hosts.c.seen.type)
_SEEN = (
    update(hosts)
    .where(hosts.c.number == bindparam("at"))
    .values(
        seen=case(
            (func.coalesce(hosts.c.seen, 0) < bindparam("moment"), bindparam("moment")), else_=hosts.c.seen
        )
    )
)
