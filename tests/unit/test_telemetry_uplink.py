"""The uplink against a collector with real gRPC and TLS: nothing is lost, nobody is flooded."""

import os
import random
import subprocess
import sys
import time
from contextlib import suppress

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector_double import Collector
from pratique.api.v1 import telemetry_pb2
from pratique.runs.store import Store
from pratique.telemetry import poke
from pratique.telemetry.backoff import Backoff
from pratique.telemetry.doorbell import AlreadyRunningError
from pratique.telemetry.place import Place
from pratique.telemetry.spool import Rank, Reason, Spool
from pratique.telemetry.uplink import Settings, Uplink
from unit import runs_sample as sample
from uplink_house import QUICK, RUN, Running, left, put, until


def test_what_waits_is_sent_and_only_then_forgotten(place: Place, collector: Collector) -> None:
    """Every batch arrives under the host's own name, and the spool is empty afterwards."""
    put(place, *range(1, 41))

    with Running(place, drain=True) as running:
        running.wait(20)

    assert sorted(collector.batches) == [("host-1", RUN, seq) for seq in range(1, 41)]
    assert left(place) == 0
    assert collector.hosts[0].spool_batches == 40


def test_findings_go_first(place: Place, collector: Collector) -> None:
    """After months offline a reviewer sees what matters before what fills the disk."""
    put(place, *range(1, 30))
    put(place, 100, 101, rank=Rank.FINDINGS)

    with Running(place, drain=True) as running:
        running.wait(20)

    assert {seq for _, _, seq in list(collector.batches)[:6]} >= {100, 101}


def test_the_window_is_bounded(place: Place, collector: Collector) -> None:
    """However slow the collector and however much waits, only a few batches are in memory and on the way."""
    collector.faults.delay = 0.05
    put(place, *range(1, 41))

    with Running(place, drain=True) as running:
        running.wait(20)

    assert 2 <= collector.most_at_once <= QUICK.window
    assert len(collector.batches) == 40


def test_a_poke_is_enough(place: Place, collector: Collector) -> None:
    """A run that ends is at the collector at once, not at the next full minute."""
    with Running(place):
        until(lambda: collector.hosts)
        began = time.monotonic()
        put(place, 1)
        until(lambda: collector.batches)

        assert time.monotonic() - began < 20


def test_a_collector_that_comes_back_gets_everything(place: Place, collector: Collector) -> None:
    """Whatever happens to the collector in the middle, each batch arrives, and counts once."""
    put(place, *range(1, 60))
    collector.faults.delay = 0.02
    with Running(place):
        for _ in range(3):
            until(lambda before=collector.received: collector.received > before + 5)
            collector.stop()
            time.sleep(random.uniform(0.05, 0.3))
            collector.start()
        until(lambda: left(place) == 0, 40)

    assert sorted(seq for _, _, seq in collector.batches) == list(range(1, 60))


def test_errors_are_tried_again(place: Place, collector: Collector) -> None:
    """A collector that is overloaded or broken for a while loses nothing."""
    codes = [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL]
    errors = [random.choice(codes) for _ in range(12)]
    collector.faults.put = lambda _request: errors.pop() if errors else None
    put(place, *range(1, 20))

    with Running(place):
        until(lambda: left(place) == 0, 40)

    assert sorted(seq for _, _, seq in collector.batches) == list(range(1, 20))


def test_one_batch_that_always_fails_holds_up_none(place: Place, collector: Collector) -> None:
    """A batch that makes the collector stumble goes last, again and again; the others arrive."""
    collector.faults.put = lambda request: grpc.StatusCode.INTERNAL if request.seq == 1 else None
    put(place, 1, rank=Rank.FINDINGS)
    put(place, *range(2, 30))

    with Running(place):
        until(lambda: left(place) == 1, 30)

    assert sorted(seq for _, _, seq in collector.batches) == list(range(2, 30))


@pytest.mark.parametrize(
    "report",
    [
        "{",
        "[]",
        '{"run": {"backend": "x"}, "coverage": [{"act": "new.act", "level": "x", "when": "", "reason": ""}]}',
    ],
)
def test_a_report_that_cannot_be_read_says_less(place: Place, collector: Collector, report: str) -> None:
    """Coverage comes from the newest report; one that is damaged or of another version stops nothing."""
    (place.state / "runs").mkdir()
    (place.state / "runs" / f"{RUN}.json").write_text(report)
    put(place, 1)
    with Running(place, drain=True) as running:
        running.wait(20)

    assert len(collector.batches) == 1
    assert list(collector.hosts[0].coverage) == []


def test_the_collector_learns_what_the_host_covers(place: Place, collector: Collector) -> None:
    """A fleet is judged by what its hosts can refuse."""
    Store(place.state / "runs").save(sample.built())
    with Running(place):
        until(lambda: collector.hosts)

    assert collector.hosts[0].backend == "hooks"
    assert len(collector.hosts[0].coverage) == len(sample.COVERAGE)


@pytest.mark.parametrize("how", ["receipt", "status"])
def test_what_is_refused_for_good_is_set_aside_and_told(place: Place, collector: Collector, how: str) -> None:
    """A malformed batch is not sent for ever; the collector hears of the gap, and the log says which."""
    if how == "receipt":
        collector.faults.refuse = lambda request: "malformed" if request.seq == 2 else ""
    else:
        collector.faults.put = lambda r: grpc.StatusCode.INVALID_ARGUMENT if r.seq == 2 else None
    put(place, 1, 2, 3)
    with Running(place) as running:
        until(lambda: any(host.gaps for host in collector.hosts))

    assert sorted(seq for _, _, seq in collector.batches) == [1, 3]
    gap = next(host.gaps[0] for host in collector.hosts if host.gaps)
    assert (gap.run_id, gap.reason, gap.batches) == (RUN, Reason.REFUSED, 1)
    assert any(f"batch 2 of run {RUN} was refused" in line for line in running.said)
    spool = Spool(place.spool)
    assert spool.load().aside == 1
    assert spool.gaps(10) == []
    spool.close()


def test_an_unwelcome_host_keeps_its_spool_and_tries_rarely(place: Place, collector: Collector) -> None:
    """A revoked host neither hammers the collector nor loses what it saw; once welcome again, all arrives."""
    collector.faults.host = grpc.StatusCode.PERMISSION_DENIED
    put(place, 1, 2)
    rare = Settings(linger=0.2, longest_pause=0.1, unwelcome_pause=600, deadline=5)
    with Running(place, settings=rare) as running:
        until(lambda: running.said)
        calls = len(collector.serials)
        time.sleep(1.0)
        assert len(collector.serials) - calls <= 1
    assert "PERMISSION_DENIED" in running.said[0]
    assert left(place) == 2

    collector.faults.host = None
    with Running(place):
        until(lambda: len(collector.batches) == 2)


def test_retry_after_is_kept_to(place: Place, collector: Collector) -> None:
    """A collector that says when to come back is not asked before."""
    collector.faults.retry_after_ms = 900
    times: list[float] = []

    def fail_once(_request: telemetry_pb2.PutBatchRequest) -> grpc.StatusCode | None:
        times.append(time.monotonic())
        return grpc.StatusCode.RESOURCE_EXHAUSTED if len(times) == 1 else None

    collector.faults.put = fail_once
    put(place, 1)
    with Running(place):
        until(lambda: collector.batches)

    assert times[1] - times[0] >= 0.85


@settings(deadline=None)
@given(st.integers(0, 40), st.floats(0, 4000))
def test_pauses_grow_and_are_spread(failures: int, at_least: float) -> None:
    """A thousand hosts that lost one collector do not come back in step, and none waits without end."""
    pauses = [Backoff(failures=failures, chance=random.Random(seed)).failed(at_least) for seed in range(20)]

    assert all(0.5 <= pause <= max(300.0, at_least + 150) for pause in pauses)
    assert min(pauses) >= at_least
    assert len({round(pause, 3) for pause in pauses}) > 10


def test_a_damaged_spool_is_said_and_the_uplink_goes_on(place: Place, collector: Collector) -> None:
    """The collector learns that something is missing, and gets what comes after."""
    put(place, *range(1, 20))
    with place.spool.open("r+b") as file:
        file.write(b"this is no database" * 40)
    for suffix in ("-wal", "-shm"):
        place.spool.with_name(place.spool.name + suffix).unlink(missing_ok=True)
    with Running(place) as running:
        until(lambda: any(host.gaps for host in collector.hosts))
        put(place, 50)
        until(lambda: collector.batches)

    assert any("was damaged" in line for line in running.said)
    assert collector.hosts[0].gaps[0].reason == Reason.SPOOL_DAMAGED


def test_there_is_one_uplink(place: Place, collector: Collector) -> None:
    """Two uplinks would send everything twice; one that a run started leaves the work to the other."""
    with Running(place):
        until(lambda: collector.hosts)
        with pytest.raises(AlreadyRunningError):
            Uplink(place, print, drain=True).run()


def test_a_service_takes_over_from_one_that_drains(place: Place, collector: Collector) -> None:
    """Whoever starts the service first or last, one uplink does the work, and no batch waits for want of one."""
    with Running(place, drain=True, settings=Settings(linger=0.5)) as draining, Running(place):
        until(lambda: collector.hosts)
        draining.wait(20)
        put(place, 1)
        until(lambda: collector.batches)


def test_no_run_falls_between_two_uplinks(place: Place, collector: Collector) -> None:
    """However a run and the end of an uplink fall together, its batch is sent at once or another is started."""
    eager = Settings(linger=0.0, takeover=10)
    started: list[Running] = []

    def start(_place: Place) -> None:
        started.append(Running(place, drain=True, settings=eager))
        started[-1].__enter__()

    for seq in range(1, 31):
        put(place, seq)
        if not poke.poke(place):
            start(place)
        time.sleep(random.uniform(0, 0.05))
    for running in started:
        with suppress(AssertionError):
            running.wait(20)

    assert sorted(seq for _, _, seq in collector.batches) == list(range(1, 31))
    assert len(started) > 1


def test_one_that_cannot_reach_anybody_ends_by_itself(place: Place, collector: Collector) -> None:
    """An uplink that a run started does not stay for ever where there is no network; the spool does."""
    collector.stop()
    put(place, 1)
    impatient = Settings(linger=0.1, longest_pause=0.1, patience=0.8, deadline=1, host_deadline=1)

    with Running(place, drain=True, settings=impatient) as running:
        running.wait(20)

    assert left(place) == 1
    assert len(running.said) <= 2, "one line, not one per attempt"


def test_kill_9_of_the_uplink_loses_nothing(place: Place, collector: Collector) -> None:
    """Whenever it dies, the next one sends the rest; what came twice counts once."""
    collector.faults.delay = 0.01
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"], "HOME": str(place.state)}
    program = (
        "import sys; from pathlib import Path; from pratique.telemetry.place import Place;"
        "from pratique.telemetry.uplink import Uplink, Settings;"
        "Uplink(Place(Path(sys.argv[1])), print, drain=True, settings=Settings(linger=0.2)).run()"
    )
    count = 0
    for number in range(4):
        put(place, *range(count + 1, count + 41))
        count += 40
        with subprocess.Popen(
            [sys.executable, "-c", program, str(place.state)], env=environment, stdout=subprocess.DEVNULL
        ) as child:
            before = collector.received
            until(lambda before=before: collector.received > before + random.randint(0, 12), 30)
            if number < 3:
                child.kill()
    assert sorted(seq for _, _, seq in collector.batches) == list(range(1, count + 1))
    assert left(place) == 0
