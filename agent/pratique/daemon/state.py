"""What outlives a restart of the daemon, in SQLite: runs, origins of live runs, packages not yet trusted.

A file that SQLite cannot use is set aside, not deleted; a place that cannot be written is memory, and said so.
"""

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pratique.backends.base import FreshTree

KEPT_RUNS = 2_000
_SCHEMA = """
create table if not exists runs (
    id text primary key, number text not null, uid integer not null, command text not null,
    manager text, started real not null, ended real, verdict text, findings integer not null default 0);
create index if not exists runs_by_start on runs (started);
create table if not exists origins (run text not null, origin integer not null, facts text not null,
    primary key (run, origin));
create table if not exists packages (
    purl text not null, place text not null, tree text not null, verified integer not null,
    installed real not null, clean integer not null default 0, approved integer not null default 0,
    primary key (purl, place));
pragma user_version = 1;
"""


CLEAN_RUNS = 5
DAYS = 7
"""What a package must have shown before it is fresh no more: both, never time alone."""
_DAY = 86_400
_FRESH = "not (approved or (clean >= ? and ? - installed >= ?))"


class Known(NamedTuple):
    """A run as the daemon remembers it."""

    id: str
    number: int
    uid: int
    command: list[str]
    manager: str | None
    started: float
    ended: float | None = None
    verdict: str | None = None
    findings: int = 0


class Package(NamedTuple):
    """A package in all its places."""

    trees: list[FreshTree]
    is_fresh: bool
    """In one of them."""
    is_verified: bool
    """In every one of them it came from an index by that name."""

    @property
    def digest(self) -> str | None:
        """Of its content; None where records name none, or places differ."""
        found = {tree.digest for tree in self.trees}
        return found.pop() if len(found) == 1 else None


class State:
    """The daemon's memory. Used by the main loop only; `note` says what was wrong with the file, if anything."""

    def __init__(self, path: Path) -> None:
        self.note: str | None = None
        self._last = 0
        self._database = self._open(path)

    def begin(self, run: Known) -> None:
        """Remember a run that began."""
        self._do(
            "insert or replace into runs (id, number, uid, command, manager, started) values (?, ?, ?, ?, ?, ?)",
            (run.id, str(run.number), run.uid, json.dumps(run.command), run.manager, run.started),
        )

    def end(self, run_id: str, ended: float, verdict: str, findings: int) -> None:
        """Remember how it ended; the oldest ended runs go when there are too many."""
        self._do(
            "update runs set ended = ?, verdict = ?, findings = ? where id = ?",
            (ended, verdict, findings, run_id),
        )
        self._do(
            "delete from runs where ended is not null and id not in "
            "(select id from runs order by started desc limit ?)",
            (KEPT_RUNS,),
        )

    def unended(self) -> list[Known]:
        """Runs that were in flight when the last daemon ended."""
        return list(self._runs("where ended is null order by started"))

    def latest(self, uid: int | None, most: int) -> list[Known]:
        """The newest runs, of one user or (None) of everybody."""
        which = "" if uid is None else "where uid = :uid "
        return list(self._runs(f"{which}order by started desc limit :most", {"uid": uid, "most": most}))

    def find(self, prefix: str) -> list[Known]:
        """The runs whose id begins so."""
        return list(self._runs("where substr(id, 1, length(:p)) = :p", {"p": prefix.upper()}))

    def keep_origin(self, run: int, origin: int, facts: dict[str, Any]) -> None:
        """Remember what an origin of a live run is."""
        self._do("insert or replace into origins values (?, ?, ?)", (str(run), origin, json.dumps(facts)))

    def origins(self, run: int) -> dict[int, dict[str, Any]]:
        """The origins of a live run."""
        rows = self._database.execute("select origin, facts from origins where run = ?", (str(run),))
        return {origin: json.loads(facts) for origin, facts in rows}

    def forget_origins(self, run: int) -> None:
        """The run has ended."""
        self._do("delete from origins where run = ?", (str(run),))

    def last_origin(self) -> int:
        """The highest origin number in use."""
        (highest,) = self._database.execute("select max(origin) from origins").fetchone()
        return int(highest or 0)

    def keep_package(self, tree: FreshTree, installed: float) -> None:
        """A package was written: it is fresh, also where another version or the same one was before."""
        self._do(
            "insert or replace into packages (purl, place, tree, verified, installed, approved) values "
            "(?, ?, ?, ?, ?, (select coalesce(max(approved), 0) from packages where purl = ?))",
            (tree.purl, _place(tree), json.dumps(tree), tree.verified, installed, tree.purl),
        )

    def versions(self, purl: str) -> list[FreshTree]:
        """The other versions of the package that are known, wherever they are."""
        name = purl.rpartition("@")[0]
        query = (
            "select tree from packages where purl > ? || '@' and purl < ? || 'A' and purl <> ?"  # A follows @
        )
        return [_tree(*json.loads(tree)) for (tree,) in self._database.execute(query, (name, name, purl))]

    def some(self, most: int) -> list[FreshTree]:
        """The next so many packages, and in the end the first ones again."""
        rows = self._database.execute(
            "select rowid, tree from packages where rowid > ? order by rowid limit ?", (self._last, most)
        ).fetchall()
        self._last = rows[-1][0] if len(rows) == most else 0
        return [_tree(*json.loads(tree)) for _, tree in rows]

    def gone(self, tree: FreshTree) -> None:
        """The package is not at that place any more; somebody's approval of it stays."""
        empty = tree._replace(directories=(), files=())
        self._do(
            "update packages set tree = ? where purl = ? and place = ? and approved",
            (json.dumps(empty), tree.purl, _place(tree)),
        )
        self._do(
            "delete from packages where purl = ? and place = ? and not approved", (tree.purl, _place(tree))
        )

    def fresh(self, now: float) -> list[FreshTree]:
        """Every package that has neither been approved nor had its clean runs and days."""
        rows = self._database.execute(f"select tree from packages where {_FRESH}", _patience(now))  # noqa: S608 (our own words)
        return [_tree(*json.loads(tree)) for (tree,) in rows]

    def packages(self, now: float) -> dict[str, Package]:
        """Every package that is known, trusted or not."""
        query = f"select purl, tree, verified, {_FRESH} from packages"  # noqa: S608 (our own words)
        return _by_purl(self._database.execute(query, _patience(now)))

    def package(self, purl: str, now: float) -> Package:
        """One of them; of one that is not known, nothing is vouched for."""
        query = f"select purl, tree, verified, {_FRESH} from packages where purl = ?"  # noqa: S608 (as above)
        found = _by_purl(self._database.execute(query, (*_patience(now), purl)))
        return found.get(purl, Package([], is_fresh=False, is_verified=False))

    def ran_clean(self, purls: Iterable[str], now: float) -> list[str]:
        """These ran without a refusal; which of them are fresh no more."""
        for purl in (held := list(purls)):
            self._do("update packages set clean = clean + 1 where purl = ?", (purl,))
        return [purl for purl in held if not self.is_fresh(purl, now)]

    def is_fresh(self, purl: str, now: float) -> bool:
        """Whether the package is fresh somewhere."""
        (number,) = self._database.execute(
            f"select count(*) from packages where purl = ? and {_FRESH}",  # noqa: S608 (as above)
            (purl, *_patience(now)),
        ).fetchone()
        return bool(number)

    def approve(self, purl: str) -> bool:
        """Somebody vouches for it; False when no such package is known."""
        self._do("update packages set approved = 1 where purl = ?", (purl,))
        return self._knows(purl)

    def distrust(self, purl: str) -> bool:
        """It is fresh again; False when no such package is known."""
        self._do(
            "update packages set approved = 0, clean = 0, installed = ? where purl = ?", (time.time(), purl)
        )
        return self._knows(purl)

    def _knows(self, purl: str) -> bool:
        (number,) = self._database.execute("select count(*) from packages where purl = ?", (purl,)).fetchone()
        return bool(number)

    def close(self) -> None:
        """Write what is left."""
        self._database.close()

    def _runs(self, how: str, values: dict[str, Any] | None = None) -> Iterator[Known]:
        query = "select id, number, uid, command, manager, started, ended, verdict, findings from runs "
        for row in self._database.execute(query + how, values or {}):  # `how` is one of our own literals
            yield Known(row[0], int(row[1]), row[2], json.loads(row[3]), *row[4:])

    def _do(self, statement: str, values: tuple[Any, ...]) -> None:
        try:
            self._database.execute(statement, values)
        except sqlite3.OperationalError as error:  # a full disk costs memory of the past, not the guard
            self.note = f"the daemon's state cannot be written: {error}"

    def _open(self, path: Path) -> sqlite3.Connection:
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return _connect(path)
        except sqlite3.DatabaseError as error:
            self.note = f"{path} cannot be used ({error})"
        aside = path.with_name(f"{path.name}.{int(time.time())}.damaged")
        try:
            path.rename(aside)
            self.note = f"{self.note}; it was set aside as {aside.name}"
            return _connect(path)
        except (OSError, sqlite3.DatabaseError):
            self.note = f"{self.note}; what happens is remembered until the daemon ends"
            return _connect(":memory:")


def _connect(path: Path | str) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, timeout=1.0)
    try:
        database.execute("pragma journal_mode = wal")
        database.execute("pragma synchronous = normal")
        database.executescript(_SCHEMA)
        database.execute("select count(*) from runs").fetchone()
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database


def _patience(now: float) -> tuple[float, ...]:
    """What the condition of freshness asks for."""
    return CLEAN_RUNS, now, DAYS * _DAY


def _by_purl(rows: Iterable[tuple[str, str, int, int]]) -> dict[str, Package]:
    found: dict[str, Package] = {}
    for purl, held, verified, fresh in rows:
        before = found.get(purl, Package([], is_fresh=False, is_verified=True))
        trees = [*before.trees, _tree(*json.loads(held))]
        found[purl] = Package(trees, before.is_fresh or bool(fresh), before.is_verified and bool(verified))
    return found


def _place(tree: FreshTree) -> str:
    return os.fsencode(next(iter(tree.places), "")).decode("utf-8", "backslashreplace")


def _tree(purl: str, directories: list[str], files: list[str], verified: bool, *more: Any) -> FreshTree:
    return FreshTree(purl, tuple(directories), tuple(files), verified, *more)
