"""The spool: durable, bounded, the least important first to go, and no loss that is not counted."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.telemetry.spool import Rank, Reason, Spool, Waiting
from pratique.telemetry.spoolfile import PAGE

RUN = "01JD3KZ0000000000000000000"
SMALL = 128 * PAGE


def _batch(seq: int, rank: Rank = Rank.ORDINARY, size: int = 3000, run: str = RUN) -> Waiting:
    return Waiting(run, seq, rank, 10, os.urandom(size))


def _seqs(spool: Spool) -> list[int]:
    return [each.seq for each in spool.waiting(set(), 10_000, 1 << 30)]


def test_what_was_put_is_there_after_reopening(tmp_path: Path) -> None:
    """What one process put, another takes, the most important first; what is acknowledged is gone."""
    first = Spool(tmp_path / "spool.db")
    put = [_batch(1), _batch(2, Rank.FINDINGS), _batch(3, Rank.ACTS)]
    assert first.put(put) == 0
    first.close()
    spool = Spool(tmp_path / "spool.db", thorough=True)

    waiting = spool.waiting(set(), 10, 1 << 20)
    spool.forget([waiting[0].id])

    assert [(each.seq, each.message) for each in waiting] == [
        (b.seq, b.message) for b in (put[1], put[2], put[0])
    ]
    assert _seqs(spool) == [3, 1]
    assert spool.load().batches == 2
    spool.close()


def test_the_window_is_bounded_in_number_and_bytes(tmp_path: Path) -> None:
    """An uplink holds a few batches in memory, whatever waits; one that is larger than the bound still goes."""
    spool = Spool(tmp_path / "spool.db")
    spool.put([_batch(seq) for seq in range(1, 9)])
    first = spool.waiting(set(), 3, 1 << 20)

    assert len(first) == 3
    assert [each.seq for each in spool.waiting({each.id for each in first}, 3, 1 << 20)] == [4, 5, 6]
    assert len(spool.waiting(set(), 8, 7000)) == 2
    assert len(spool.waiting(set(), 8, 10)) == 1
    spool.close()


def test_it_is_its_owners_alone(tmp_path: Path) -> None:
    """Nobody else reads what waits."""
    spool = Spool(tmp_path / "new" / "spool.db")

    assert (tmp_path / "new" / "spool.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    spool.close()


def test_when_full_the_least_important_and_oldest_goes_and_is_counted(tmp_path: Path) -> None:
    """Findings outlive any flood of ordinary events, and every batch is stored or counted."""
    spool = Spool(tmp_path / "spool.db", SMALL)
    spool.put([_batch(1, Rank.FINDINGS), _batch(2, Rank.ACTS)])
    out = sum(spool.put([_batch(seq)]) for seq in range(3, 400))
    seqs = _seqs(spool)
    gaps = spool.gaps(100)

    assert seqs[:2] == [1, 2]
    assert seqs[2:] == list(range(400 - len(seqs) + 2, 400)), "the newest ordinary ones are kept"
    assert {gap.reason for gap in gaps} == {Reason.SPOOL_FULL}
    assert sum(gap.batches for gap in gaps) == 399 - len(seqs)
    assert sum(gap.records for gap in gaps) == 10 * (399 - len(seqs))
    assert out == 0
    assert (tmp_path / "spool.db").stat().st_size <= SMALL
    spool.close()


def test_findings_are_never_dropped_for_others(tmp_path: Path) -> None:
    """A spool full of findings takes no ordinary batch, still takes findings, and counts the rest."""
    spool = Spool(tmp_path / "spool.db", SMALL)
    kept = [seq for seq in range(1, 200) if spool.put([_batch(seq, Rank.FINDINGS)]) == 0]

    assert spool.put([_batch(500), _batch(501, Rank.ACTS)]) == 2
    assert _seqs(spool) == kept == list(range(1, len(kept) + 1))
    assert sum(gap.batches for gap in spool.gaps(10)) == 199 - len(kept) + 2
    spool.close()


def test_a_flood_of_ordinary_events_leaves_room_for_findings(tmp_path: Path) -> None:
    """The reserve: findings find room without anything being dropped."""
    spool = Spool(tmp_path / "spool.db", SMALL)
    spool.put([_batch(seq) for seq in range(1, 60)])
    for seq in range(60, 300):
        spool.put([_batch(seq)])
    before = len(_seqs(spool))

    assert spool.put([_batch(1000, Rank.FINDINGS)]) == 0
    assert len(_seqs(spool)) == before + 1
    spool.close()


def test_a_gap_does_not_grow_once_it_is_told(tmp_path: Path) -> None:
    """A gap told twice says the same both times; what is lost meanwhile is another gap."""
    spool = Spool(tmp_path / "spool.db")
    spool.lost(RUN, Reason.WRITE_FAILED, 1, 5, 100)
    spool.lost(RUN, Reason.WRITE_FAILED, 1, 5, 100)
    told = spool.gaps(10)
    spool.lost(RUN, Reason.WRITE_FAILED, 1, 7, 100)

    assert [(gap.batches, gap.records) for gap in told] == [(2, 10)]
    assert spool.gaps(1) == told
    spool.told(told)
    assert [(gap.batches, gap.records) for gap in spool.gaps(10)] == [(1, 7)]
    spool.close()


def test_what_the_collector_refuses_is_set_aside(tmp_path: Path) -> None:
    """A batch that will never be taken does not hold up the others, is kept for people, and counts as a gap."""
    spool = Spool(tmp_path / "spool.db")
    spool.put([_batch(1), _batch(2)])
    number = spool.waiting(set(), 1, 1 << 20)[0].id

    spool.set_aside(number, "malformed")

    assert _seqs(spool) == [2]
    assert spool.load().aside == 1
    assert [(gap.run, gap.reason, gap.batches) for gap in spool.gaps(10)] == [(RUN, Reason.REFUSED, 1)]
    spool.close()


def test_a_batch_handed_over_twice_is_one(tmp_path: Path) -> None:
    """The number of a batch in its run is its name."""
    spool = Spool(tmp_path / "spool.db")
    spool.put([_batch(1)])
    spool.put([_batch(1)])

    assert _seqs(spool) == [1]
    spool.close()


DAMAGE = {
    "not a database": lambda path: path.write_bytes(b"this is no database" * 500),
    "a hole": lambda path: _hole(path, 2, 40),
    "a head of zeros": lambda path: _hole(path, 0, 1),
}


def _hole(path: Path, page: int, pages: int) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(bytes(pages * PAGE))


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_file_is_set_aside_and_said(what: str, tmp_path: Path) -> None:
    """The host goes on with a new spool; the damaged one is kept, named, and counted as a gap."""
    path = tmp_path / "spool.db"
    spool = Spool(path)
    spool.put([_batch(seq) for seq in range(1, 60)])
    spool.close()
    DAMAGE[what](path)

    spool = Spool(path, thorough=True)

    assert spool.damage is not None
    kept = [each for each in tmp_path.iterdir() if ".damaged-" in each.name]
    assert any(each.name in spool.damage for each in kept)
    assert [gap.reason for gap in spool.gaps(10)] == [Reason.SPOOL_DAMAGED]
    assert spool.put([_batch(1)]) == 0
    spool.close()


def test_two_that_meet_the_same_damage_set_one_file_aside(tmp_path: Path) -> None:
    """Whoever comes second finds the new spool, and keeps it."""
    path = tmp_path / "spool.db"
    path.write_bytes(b"no database" * 900)
    first = Spool(path)
    first.put([_batch(1)])
    second = Spool(path)

    assert first.damage is not None
    assert second.damage is None
    assert _seqs(second) == [1]
    assert len([each for each in tmp_path.iterdir() if ".damaged-" in each.name]) == 1
    first.close()
    second.close()


def test_old_damage_is_forgotten(tmp_path: Path) -> None:
    """A disk that damages every spool does not fill itself with damaged ones."""
    path = tmp_path / "spool.db"
    for _ in range(5):
        path.write_bytes(b"no database" * 900)
        Spool(path).close()

    assert len([each for each in tmp_path.iterdir() if ".damaged-" in each.name]) <= 2


def test_a_locked_file_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting too long for another process is an error of now, and no reason to begin anew."""
    monkeypatch.setattr("pratique.telemetry.spoolfile._WAIT", 0.05)
    path = tmp_path / "spool.db"
    spool = Spool(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        spool.put([_batch(1)])
    other.execute("ROLLBACK")
    assert spool.put([_batch(1)]) == 0
    assert sorted(each.name for each in tmp_path.iterdir() if ".damaged-" in each.name) == []
    other.close()
    spool.close()


_WRITER = """
import os, sys
from pathlib import Path
from pratique.telemetry.spool import Rank, Spool, Waiting
spool = Spool(Path(sys.argv[1]))
for seq in range(1, 100_000):
    spool.put([Waiting(sys.argv[2], seq, Rank.ORDINARY, 10, os.urandom(13_000))])
    os.write(1, b"%d\\n" % seq)
"""


def test_what_was_put_survives_kill_9(tmp_path: Path) -> None:
    """Whenever the writer dies, everything it was told is kept is there, and the file is whole."""
    path = tmp_path / "spool.db"
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"]}
    for number in range(4):
        run = f"01JD3KZ000000000000000000{number}"
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path), run], stdout=subprocess.PIPE, env=environment
        ) as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()
            time.sleep(random.uniform(0.01, 0.15))
            writer.send_signal(signal.SIGKILL)
            said = int((first + writer.stdout.read()).split(b"\n")[-2])
        spool = Spool(path, thorough=True)
        held = {each.seq for each in spool.waiting(set(), 100_000, 1 << 40) if each.run == run}
        spool.close()

        assert spool.damage is None
        assert held >= set(range(1, said + 1))


_FILLER = """
import os, resource, sqlite3, sys
from pathlib import Path
from pratique.telemetry.spool import Rank, Spool, Waiting
spool = Spool(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
try:
    for seq in range(1, 1000):
        spool.put([Waiting(sys.argv[2], seq, Rank.FINDINGS, 10, os.urandom(13_000))])
        os.write(1, b"%d\\n" % seq)
except sqlite3.Error as error:
    sys.exit(type(error).__name__)
"""


def test_a_full_disk_is_said_and_damages_nothing(tmp_path: Path) -> None:
    """What cannot be written is an error of the put that tried; what was kept before stays whole."""
    path = tmp_path / "spool.db"
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", _FILLER, str(path), RUN],
        capture_output=True,
        env=environment,
        timeout=60,
        check=False,
    )
    said = int(done.stdout.split(b"\n")[-2])
    spool = Spool(path, thorough=True)

    assert done.stderr.strip() == b"OperationalError"
    assert spool.damage is None
    assert _seqs(spool)[:said] == list(range(1, said + 1))
    assert spool.put([_batch(5000)]) == 0
    spool.close()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(Rank), st.integers(0, 60_000), st.booleans()), min_size=1, max_size=60)
)
def test_every_batch_is_stored_counted_or_acknowledged(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Rank, int, bool]]
) -> None:
    """Whatever the order and size of batches: none is lost without being counted, and the bound holds."""
    path = tmp_path_factory.mktemp("spool") / "spool.db"
    spool = Spool(path, 64 * PAGE)
    acknowledged = 0
    for seq, (rank, size, take) in enumerate(steps, start=1):
        spool.put([_batch(seq, rank, size)])
        if take:
            taken = spool.waiting(set(), 1, 1 << 20)
            spool.forget([each.id for each in taken])
            acknowledged += len(taken)

    stored, counted = len(_seqs(spool)), sum(gap.batches for gap in spool.gaps(1000))
    assert stored + counted + acknowledged == len(steps)
    assert path.stat().st_size <= 64 * PAGE
    spool.close()
