"""Watched hunts: what somebody asked once is asked of every run that comes in, and said once."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fleet.samples import HOST, batch, finding, last, sighting
from pratique_server.hunting.watching import latest, watch
from pratique_server.store.database import writing
from pratique_server.store.enrolment import Certificate
from pratique_server.store.store import Store, open_all
from pratique_server.web.queries import hunting

RUNS = tuple(f"01JD3K000000000000000000{number:02}" for number in range(4))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store that one host may write to."""
    with closing(open_all(f"sqlite:///{tmp_path / 'index.db'}", f"days:{tmp_path / 'segments'}")) as opened:
        opened.enrolment.make_token("0" * 64, "", "test", 60)
        opened.enrolment.join("0" * 64, HOST, HOST, Certificate("1", 0, 0))
        yield opened


def _keep(store: Store, query: str, *, alert: bool = True) -> None:
    with writing(store.engine) as connection:
        hunting.save(connection, "hunt", query, "ada", alert=alert)


@pytest.mark.parametrize(
    "query",
    [
        "pkg:pypi/six@1.16.0",
        "pkg:pypi/evil",
        "sha256-aa",
        "203.0.113.*",
        "secrets.read",
        "pkg:pypi/evil@1.2.3",
    ],
)
def test_what_comes_after_is_said_once(store: Store, query: str) -> None:
    """By package, ran or only installed, digest, address and rule; what was there before is not news."""
    store.writer.write([last(1, run=RUNS[0], findings=[finding()], sightings=[sighting()])])
    _keep(store, query)
    assert watch(store.engine) == []
    store.writer.write([last(1, run=RUNS[1], findings=[finding()], sightings=[sighting()])])

    assert {alert["hunt"] for alert in watch(store.engine)} == {"hunt"}
    assert watch(store.engine) == []
    with store.engine.connect() as connection:
        assert RUNS[1] in {row["run"] for row in latest(connection)}


def test_what_a_run_did_may_come_late(store: Store) -> None:
    """A run that was looked at already is looked at again when more of it comes."""
    _keep(store, "203.0.113.9")
    store.writer.write([batch(1, run=RUNS[0])])
    assert watch(store.engine) == []
    store.writer.write([batch(2, run=RUNS[0], sightings=[sighting()])])

    assert [alert["what"] for alert in watch(store.engine)] == ["203.0.113.9"]


def test_a_hunt_that_is_only_kept_says_nothing(store: Store) -> None:
    """Nobody asked to be told."""
    _keep(store, "pkg:pypi/evil", alert=False)
    store.writer.write([last(1)])

    assert watch(store.engine) == []
