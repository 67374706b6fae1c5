"""Hunts: every event of a closed day can be found, whatever its text is made of."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet import hosts
from fleet.samples import HOST, NOON
from pratique.api import columns
from pratique_server import moments
from pratique_server.errors import UsageError
from pratique_server.hunting.compacting import compact
from pratique_server.hunting.hunts import Hunt, hunt
from pratique_server.ingest import reading
from pratique_server.store.enrolment import Certificate
from pratique_server.store.store import Store, open_all

HOSTILE = 'a,"b"\n\r\n\\x27\u202e;--\N{PILE OF POO}\0end'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store whose host sent a run yesterday and one today."""
    opened = open_all(f"sqlite:///{tmp_path / 'index.db'}", f"days:{tmp_path / 'segments'}")
    opened.enrolment.make_token("00" * 32, "", "test", 60)
    opened.enrolment.join("00" * 32, HOST, HOST, Certificate("1", NOON, NOON))
    odd = hosts.rows(30, 1)[0]._replace(path=HOSTILE, argv=("sh", "-c", HOSTILE))
    packed = columns.encode([*hosts.rows(20, 1), odd])
    more = {"payload": packed.payload, "raw_size": packed.raw_size, "records": packed.records}
    now = moments.now()
    for received, run in ((now - moments.DAY, hosts.run_id(1)), (now, hosts.run_id(2))):
        opened.writer.write([reading.batch(hosts.batch(1, run, **more), HOST, received)])
    yield opened
    opened.close()


def test_closed_days_are_searched(store: Store, tmp_path: Path) -> None:
    """Yesterday is ready after one pass, today is not, and a second pass has nothing to do."""
    folder = tmp_path / "parquet"

    assert len(compact(store, folder)) == 1
    assert compact(store, folder) == []
    found = hunt(folder, Hunt("node_modules"))

    assert (found["days"], found["runs"], found["hosts"]) == (1, 1, 1)
    sent = [row for row in hosts.rows(20, 1) if "node_modules" in row.path]
    assert found["total"] == len(sent)
    assert found["events"][0]["run"] == hosts.run_id(1)
    assert [path.suffix for path in folder.iterdir()] == [".parquet"]


def test_hostile_text_is_found_whole(store: Store, tmp_path: Path) -> None:
    """Quotes, line breaks and what looks like SQL neither break the day nor get lost."""
    compact(store, tmp_path / "parquet")

    for sought in ('a,"b"', "\\x27\u202e;--", "\N{PILE OF POO}\N{REPLACEMENT CHARACTER}end", "end"):
        found = hunt(tmp_path / "parquet", Hunt(sought))
        assert found["total"] == 1, sought
    assert found["events"][0]["path"] == HOSTILE.replace("\0", "\N{REPLACEMENT CHARACTER}")
    assert hunt(tmp_path / "parquet", Hunt("' OR 1=1 --"))["total"] == 0


def test_hunts_are_narrowed(store: Store, tmp_path: Path) -> None:
    """By act, host and day; and what is too short is no hunt."""
    compact(store, tmp_path / "parquet")

    def total(hunted: Hunt) -> int:
        return int(hunt(tmp_path / "parquet", hunted)["total"])

    assert total(Hunt("node_modules", act="net.connect")) == 0
    assert total(Hunt("node_modules", host="nobody")) == 0
    assert total(Hunt("node_modules", last_day="2020-01-01")) == 0
    with pytest.raises(UsageError):
        hunt(tmp_path, Hunt("a"))
    assert hunt(tmp_path / "nothing", Hunt("text"))["days"] == 0
