"""Batches that wait for the collector: one SQLite file, durable when `put` returns, never larger than its bound.

Several processes use it at once: runs put, the one uplink takes. When it is full the least important batches go
first, the oldest of them before the newer; what goes is counted as a gap, and findings never go.
"""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from pratique.runs import ulid
from pratique.telemetry.spoolfile import PAGE, change, opened

BOUND = 256 << 20
"""Bytes the file may take: months of a busy host without a connection."""
_ATTEMPTS = 64
_FREED = 16
_OVERHEAD = 512
_MOST_GAPS = 10_000
# Pages that only gaps may use, so that a loss can be counted when nothing else can be written.
_FOR_GAPS = 8
# Ordinary batches leave this share to findings, so that a flood of the one never locks out the other.
_FOR_FINDINGS = 8


class Rank(IntEnum):
    """How important a batch is; a higher number is dropped first."""

    FINDINGS = 0
    """Summary, findings, packages and what surrounds them: never dropped."""
    ACTS = 1
    """Execs, connects, and acts on groups."""
    ORDINARY = 2
    """Forks, exits and the rest."""


class Reason(IntEnum):
    """Why something is missing; the numbers of the wire's GapReason."""

    SPOOL_FULL = 1
    SPOOL_DAMAGED = 2
    REFUSED = 3
    WRITE_FAILED = 4


@dataclass(frozen=True, slots=True)
class Waiting:
    """A batch to put, or one that waits."""

    run: str
    seq: int
    rank: Rank
    records: int
    message: bytes
    id: int = 0


@dataclass(frozen=True, slots=True)
class Missing:
    """A gap."""

    id: str
    run: str
    reason: Reason
    batches: int
    records: int
    bytes: int
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Load:
    """What waits."""

    batches: int
    bytes: int
    oldest: float | None
    aside: int


class Spool:
    """The spool in `path`; `damage` says what was wrong with the file found there, and where it is now."""

    def __init__(self, path: Path, bound: int = BOUND, *, thorough: bool = False) -> None:
        self._path = path
        self._base, self.damage = opened(path, bound, thorough=thorough)
        self._inode = path.stat().st_ino
        if self.damage is not None:
            self.lost("", Reason.SPOOL_DAMAGED, 0, 0, 0)

    def put(self, batches: Sequence[Waiting]) -> int:
        """Keep batches, the most important first, on stable storage; how many had to be left out (and counted)."""
        if _size(batches) <= self._free(Rank.ORDINARY):
            self._insert(batches)
            return 0
        return sum(self._put_dearly([each]) for each in sorted(batches, key=lambda each: each.rank))

    def waiting(self, without: set[int], limit: int, most_bytes: int) -> list[Waiting]:
        """The next batches to send, most important first, but for those with these ids."""
        rows = self._base.execute(
            "SELECT id, size FROM batch WHERE aside IS NULL ORDER BY rank, id LIMIT ?",
            (limit + len(without),),
        ).fetchall()
        found: list[Waiting] = []
        for number, size in [row for row in rows if row[0] not in without][:limit]:
            most_bytes -= size
            if most_bytes < 0 and found:
                break
            found += self._one(number)
        return found

    def forget(self, ids: Iterable[int]) -> None:
        """These are acknowledged."""
        with change(self._base):
            self._base.executemany("DELETE FROM batch WHERE id = ?", [(each,) for each in ids])

    def set_aside(self, number: int, why: str) -> None:
        """The collector will never take this one: it is kept for people, and first to be dropped."""
        with change(self._base):
            row = self._base.execute(
                "SELECT run, records, size FROM batch WHERE id = ?", (number,)
            ).fetchone()
            if row is not None:
                self._base.execute("UPDATE batch SET aside = ? WHERE id = ?", (why[:500], number))
                self._add_gap(row[0], Reason.REFUSED, 1, row[1], row[2])

    def lost(self, run: str, reason: Reason, batches: int, records: int, size: int) -> None:
        """Count what could not be kept."""
        with change(self._base):
            self._add_gap(run, reason, batches, records, size)

    def gaps(self, most: int) -> list[Missing]:
        """Gaps to tell, oldest first; from now on they do not grow, so that telling one twice says the same."""
        columns = "id, run, reason, batches, records, bytes, since, until"
        rows = self._base.execute(f"SELECT {columns} FROM gap ORDER BY since LIMIT ?", (most,)).fetchall()  # noqa: S608
        if rows:
            with change(self._base):
                self._base.executemany("UPDATE gap SET closed = 1 WHERE id = ?", [(row[0],) for row in rows])
                rows = [
                    self._base.execute(f"SELECT {columns} FROM gap WHERE id = ?", row[:1]).fetchone()  # noqa: S608
                    for row in rows
                ]
        return [Missing(row[0], row[1], Reason(row[2]), *row[3:]) for row in rows]

    def told(self, gaps: Iterable[Missing]) -> None:
        """The collector knows these now."""
        with change(self._base):
            self._base.executemany("DELETE FROM gap WHERE id = ?", [(gap.id,) for gap in gaps])

    def load(self) -> Load:
        """How much waits, for people and for the collector."""
        row = self._base.execute(
            "SELECT count(*), coalesce(sum(size), 0), min(made) FROM batch WHERE aside IS NULL"
        ).fetchone()
        aside = self._base.execute("SELECT count(*) FROM batch WHERE aside IS NOT NULL").fetchone()[0]
        return Load(row[0], row[1], row[2], aside)

    def replaced(self) -> bool:
        """Whether the file was set aside by another process since it was opened."""
        try:
            return self._path.stat().st_ino != self._inode
        except FileNotFoundError:
            return True

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def _one(self, number: int) -> list[Waiting]:
        row = self._base.execute(
            "SELECT run, seq, rank, records, message, id FROM batch WHERE id = ?", (number,)
        ).fetchone()
        return [Waiting(row[0], row[1], Rank(row[2]), *row[3:])] if row else []

    def _insert(self, batches: Sequence[Waiting]) -> None:
        now = time.time()
        rows = [(b.run, b.seq, int(b.rank), b.records, len(b.message), now, b.message) for b in batches]
        with change(self._base):
            # A run hands its batches over once; should it do so again, they are the same.
            self._base.executemany(
                "INSERT OR IGNORE INTO batch (run, seq, rank, records, size, made, message)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def _put_dearly(self, batches: Sequence[Waiting]) -> int:
        """Put one batch where room must be made; 1 when it had to be left out."""
        batch, need = batches[0], _size(batches)
        for _ in range(_ATTEMPTS):
            try:
                if need <= self._free(batch.rank):
                    self._insert(batches)
                    return 0
                if not self._make_room(need, batch.rank):
                    break
            except sqlite3.OperationalError as error:
                if "full" not in str(error) or not self._make_room(need, batch.rank):
                    break
        self.lost(batch.run, Reason.SPOOL_FULL, 1, batch.records, len(batch.message))
        return 1

    def _free(self, rank: Rank) -> int:
        """Bytes left to batches of this rank."""
        pages, unused, most = (
            self._base.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "max_page_count")
        )
        kept = most // _FOR_FINDINGS if rank is not Rank.FINDINGS else 0
        return int(most - _FOR_GAPS - kept - pages + unused) * PAGE

    def _make_room(self, need: int, rank: Rank) -> bool:
        """Drop what is less important than `rank`, or as unimportant and older; False when there is nothing."""
        with change(self._base):
            rows = self._base.execute(
                "SELECT id, run, records, size, aside IS NULL FROM batch WHERE aside IS NOT NULL OR rank >= ?"
                " ORDER BY aside IS NULL, rank DESC, id LIMIT ?",
                (max(rank, Rank.ACTS), _FREED),
            ).fetchall()
            for number, run, records, size, counts in rows:
                self._base.execute("DELETE FROM batch WHERE id = ?", (number,))
                if counts:  # what was set aside is a gap already
                    self._add_gap(run, Reason.SPOOL_FULL, 1, records, size)
                need -= size
                if need <= 0:
                    break
        return bool(rows)

    def _add_gap(self, run: str, reason: Reason, batches: int, records: int, size: int) -> None:
        """One gap per run and reason until it is told; beyond a bound, one for all runs."""
        now = time.time()
        if self._base.execute("SELECT count(*) FROM gap").fetchone()[0] >= _MOST_GAPS:
            run = ""
        added = self._base.execute(
            "UPDATE gap SET batches = batches + ?, records = records + ?, bytes = bytes + ?, until = ?"
            " WHERE run = ? AND reason = ? AND NOT closed",
            (batches, records, size, now, run, int(reason)),
        ).rowcount
        if not added:
            self._base.execute(
                "INSERT INTO gap (id, run, reason, batches, records, bytes, since, until)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (ulid.make(now), run, int(reason), batches, records, size, now, now),
            )


def _size(batches: Iterable[Waiting]) -> int:
    """What batches take in the file, at most: whole pages, and an index."""
    return sum(-(-(len(each.message) + _OVERHEAD) // PAGE) * PAGE for each in batches)
