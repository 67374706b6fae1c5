"""Runs of the daemon reach the spool of an enrolled host, and the main loop never waits for it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pratique.api.v1 import telemetry_pb2
from pratique.daemon.handing import Handing
from pratique.telemetry import poke
from pratique.telemetry.place import Place
from pratique.telemetry.spool import Spool
from unit import runs_sample as sample


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A host that is enrolled, and whose uplink is never started."""
    place = Place(tmp_path)
    place.make()
    place.enrolment.write_text("{}")
    monkeypatch.setattr(poke, "_start", lambda _place: None)
    return place


def _flight(*, adopted: bool = False) -> Any:
    run = sample.refused(sample.started(sample.run(record=True)))
    return SimpleNamespace(run=run, adopted=adopted)


def _spooled(place: Place) -> list[telemetry_pb2.PutBatchRequest]:
    spool = Spool(place.spool)
    try:
        waiting = spool.waiting(set(), 1000, 1 << 30)
        return [telemetry_pb2.PutBatchRequest.FromString(each.message) for each in waiting]
    finally:
        spool.close()


def test_a_run_arrives_whole(place: Place) -> None:
    """Verdict, packages and findings, as of a run that was wrapped; told again, only with what is new."""
    handing, flight = Handing(place), _flight()
    assert handing.wanted()
    handing.give(sample.built(flight.run), flight, last=False)
    handing.give(sample.built(flight.run), flight, last=True)
    handing.close()

    sent = sorted(_spooled(place), key=lambda request: request.seq)
    assert [request.seq for request in sent] == list(range(1, len(sent) + 1))
    assert sent[0].run.verdict == 3
    assert [each.purl for each in sent[0].packages] == ["pkg:npm/left-padder@1.0.2"]
    assert sent[-1].run.batches == len(sent)
    assert sum(request.records for request in sent) == sent[-1].run.records


def test_a_run_of_an_earlier_daemon_takes_none_of_its_numbers(place: Place) -> None:
    """What that one may have sent is not refused for good by what this one sends."""
    handing, flight = Handing(place), _flight(adopted=True)
    handing.give(sample.built(flight.run), flight, last=True)
    handing.close()

    sent = _spooled(place)
    assert min(request.seq for request in sent) > 1_000_000
    assert sent[0].run.batches == 0


def test_nothing_is_kept_of_a_run_that_was_not_recorded(place: Place) -> None:
    """It began before the host was enrolled."""
    handing, flight = Handing(place), _flight()
    flight.run.recorded = None
    handing.give(sample.built(flight.run), flight, last=True)
    handing.close()

    assert not place.spool.exists()
