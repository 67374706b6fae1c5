"""The uplink against a collector with real gRPC and TLS: nothing is lost, nobody is flooded."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector_double import Authority, Collector
from pratique.api.tokens import JoinToken
from pratique.api.v1 import control_pb2, telemetry_pb2
from pratique.errors import UsageError
from pratique.model import Identity
from pratique.policy import allows, cache, sources
from pratique.runs.store import Store
from pratique.telemetry import enrolling, identity, link, poke
from pratique.telemetry.backoff import Backoff
from pratique.telemetry.control import BLOCKS, POLICY, Pushed
from pratique.telemetry.doorbell import AlreadyRunningError
from pratique.telemetry.place import Place
from pratique.telemetry.spool import Rank, Reason, Spool, Waiting
from pratique.telemetry.uplink import Settings, Uplink
from pratique.words import Quality
from unit import runs_sample as sample

RUN = "01JD3KZ0000000000000000000"
QUICK = Settings(
    linger=0.2, longest_pause=0.2, unwelcome_pause=0.3, renew_pause=0.2, deadline=5, host_deadline=5
)


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that runs."""
    made = Collector()
    made.start()
    yield made
    with suppress(AttributeError):
        made.stop()


@pytest.fixture
def place(tmp_path: Path, collector: Collector) -> Place:
    """A host that is enrolled there."""
    made = Place(tmp_path)
    enrolling.enrol(made, collector.url, collector.token(), "dev-machine")
    return made


def _put(place: Place, *seqs: int, run: str = RUN, rank: Rank = Rank.ORDINARY) -> None:
    spool = Spool(place.spool)
    spool.put(
        [
            Waiting(
                run,
                seq,
                rank,
                0,
                telemetry_pb2.PutBatchRequest(run_id=run, seq=seq, payload=bytes(500)).SerializeToString(),
            )
            for seq in seqs
        ]
    )
    spool.close()
    poke.poke(place)


def _left(place: Place) -> int:
    spool = Spool(place.spool)
    try:
        return spool.load().batches
    finally:
        spool.close()


def _until(done: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


class Running:
    """An uplink in a thread."""

    def __init__(self, place: Place, *, drain: bool = False, settings: Settings = QUICK) -> None:
        self.said: list[str] = []
        self.uplink = Uplink(place, self.said.append, drain=drain, settings=settings)
        self._thread = threading.Thread(target=self.uplink.run)

    def __enter__(self) -> "Running":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.uplink.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Until it ends by itself."""
        self._thread.join(seconds)
        assert not self._thread.is_alive()


def test_what_waits_is_sent_and_only_then_forgotten(place: Place, collector: Collector) -> None:
    """Every batch arrives under the host's own name, and the spool is empty afterwards."""
    _put(place, *range(1, 41))

    with Running(place, drain=True) as running:
        running.wait(20)

    assert sorted(collector.batches) == [("host-1", RUN, seq) for seq in range(1, 41)]
    assert _left(place) == 0
    assert collector.hosts[0].spool_batches == 40


def test_findings_go_first(place: Place, collector: Collector) -> None:
    """After months offline a reviewer sees what matters before what fills the disk."""
    _put(place, *range(1, 30))
    _put(place, 100, 101, rank=Rank.FINDINGS)

    with Running(place, drain=True) as running:
        running.wait(20)

    assert {seq for _, _, seq in list(collector.batches)[:6]} >= {100, 101}


def test_the_window_is_bounded(place: Place, collector: Collector) -> None:
    """However slow the collector and however much waits, only a few batches are in memory and on the way."""
    collector.faults.delay = 0.05
    _put(place, *range(1, 41))

    with Running(place, drain=True) as running:
        running.wait(20)

    assert 2 <= collector.most_at_once <= QUICK.window
    assert len(collector.batches) == 40


def test_a_poke_is_enough(place: Place, collector: Collector) -> None:
    """A run that ends is at the collector at once, not at the next full minute."""
    with Running(place):
        _until(lambda: collector.hosts)
        began = time.monotonic()
        _put(place, 1)
        _until(lambda: collector.batches)

        assert time.monotonic() - began < 2


def test_a_collector_that_comes_back_gets_everything(place: Place, collector: Collector) -> None:
    """Whatever happens to the collector in the middle, each batch arrives, and counts once."""
    _put(place, *range(1, 60))
    collector.faults.delay = 0.02
    with Running(place):
        for _ in range(3):
            _until(lambda before=collector.received: collector.received > before + 5)
            collector.stop()
            time.sleep(random.uniform(0.05, 0.3))
            collector.start()
        _until(lambda: _left(place) == 0, 40)

    assert sorted(seq for _, _, seq in collector.batches) == list(range(1, 60))


def test_errors_are_tried_again(place: Place, collector: Collector) -> None:
    """A collector that is overloaded or broken for a while loses nothing."""
    codes = [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL]
    left = [random.choice(codes) for _ in range(12)]
    collector.faults.put = lambda _request: left.pop() if left else None
    _put(place, *range(1, 20))

    with Running(place):
        _until(lambda: _left(place) == 0, 40)

    assert sorted(seq for _, _, seq in collector.batches) == list(range(1, 20))


def test_one_batch_that_always_fails_holds_up_none(place: Place, collector: Collector) -> None:
    """A batch that makes the collector stumble goes last, again and again; the others arrive."""
    collector.faults.put = lambda request: grpc.StatusCode.INTERNAL if request.seq == 1 else None
    _put(place, 1, rank=Rank.FINDINGS)
    _put(place, *range(2, 30))

    with Running(place):
        _until(lambda: _left(place) == 1, 30)

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
    _put(place, 1)
    with Running(place, drain=True) as running:
        running.wait(20)

    assert len(collector.batches) == 1
    assert list(collector.hosts[0].coverage) == []


def test_the_collector_learns_what_the_host_covers(place: Place, collector: Collector) -> None:
    """A fleet is judged by what its hosts can refuse."""
    Store(place.state / "runs").save(sample.built())
    with Running(place):
        _until(lambda: collector.hosts)

    assert collector.hosts[0].backend == "hooks"
    assert len(collector.hosts[0].coverage) == len(sample.COVERAGE)


@pytest.mark.parametrize("how", ["receipt", "status"])
def test_what_is_refused_for_good_is_set_aside_and_told(place: Place, collector: Collector, how: str) -> None:
    """A malformed batch is not sent for ever; the collector hears of the gap, and the log says which."""
    if how == "receipt":
        collector.faults.refuse = lambda request: "malformed" if request.seq == 2 else ""
    else:
        collector.faults.put = lambda r: grpc.StatusCode.INVALID_ARGUMENT if r.seq == 2 else None
    _put(place, 1, 2, 3)
    with Running(place) as running:
        _until(lambda: any(host.gaps for host in collector.hosts))

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
    _put(place, 1, 2)
    rare = Settings(linger=0.2, longest_pause=0.1, unwelcome_pause=600, deadline=5)
    with Running(place, settings=rare) as running:
        _until(lambda: running.said)
        calls = len(collector.serials)
        time.sleep(1.0)
        assert len(collector.serials) - calls <= 1
    assert "PERMISSION_DENIED" in running.said[0]
    assert _left(place) == 2

    collector.faults.host = None
    with Running(place):
        _until(lambda: len(collector.batches) == 2)


def test_retry_after_is_kept_to(place: Place, collector: Collector) -> None:
    """A collector that says when to come back is not asked before."""
    collector.faults.retry_after_ms = 900
    times: list[float] = []

    def fail_once(_request: telemetry_pb2.PutBatchRequest) -> grpc.StatusCode | None:
        times.append(time.monotonic())
        return grpc.StatusCode.RESOURCE_EXHAUSTED if len(times) == 1 else None

    collector.faults.put = fail_once
    _put(place, 1)
    with Running(place):
        _until(lambda: collector.batches)

    assert times[1] - times[0] >= 0.85


@given(st.integers(0, 40), st.floats(0, 4000))
def test_pauses_grow_and_are_spread(failures: int, at_least: float) -> None:
    """A thousand hosts that lost one collector do not come back in step, and none waits without end."""
    pauses = [Backoff(failures=failures, chance=random.Random(seed)).failed(at_least) for seed in range(20)]

    assert all(0.5 <= pause <= max(300.0, at_least + 150) for pause in pauses)
    assert min(pauses) >= at_least
    assert len({round(pause, 3) for pause in pauses}) > 10


def test_the_certificate_is_renewed_on_a_second_connection(place: Place, collector: Collector) -> None:
    """Two thirds through its life the host has a new key and certificate, and loses nothing over it."""
    collector.life = timedelta(seconds=3)
    enrolling.enrol(place, collector.url, collector.token())
    before = identity.load(place.identity)
    collector.faults.delay = 0.02
    _put(place, *range(1, 300))
    with Running(place) as running:
        _until(lambda: collector.renewed, 20)
        _put(place, *range(300, 310))
        _until(lambda: _left(place) == 0, 40)
    after = identity.load(place.identity)

    assert collector.renewed == ["host-1"]
    assert before.key != after.key
    assert after.until - before.until > 3600
    assert len(set(collector.serials)) == 2
    assert len(collector.batches) == 309
    assert any("was renewed" in line for line in running.said)


def test_an_ended_certificate_is_said(place: Place, collector: Collector) -> None:
    """A host that was off for too long cannot connect: it says why and what to do, and keeps what waits."""
    collector.life = timedelta(seconds=1)
    enrolling.enrol(place, collector.url, collector.token())
    _put(place, 1)
    _until(lambda: time.time() > identity.load(place.identity).until + 0.2)
    with Running(place) as running:
        _until(lambda: running.said)

    assert "certificate ended" in running.said[0]
    assert "enrol it again" in running.said[0]
    assert _left(place) == 1
    assert collector.batches == {}


def test_a_clock_that_is_days_off_renews_no_storm(place: Place, collector: Collector) -> None:
    """The collector's clock decides when a certificate is old."""
    collector.faults.ahead = -5 * 86_400
    with Running(place):
        _until(lambda: collector.hosts)
        time.sleep(1)

    assert collector.renewed == []


def test_a_damaged_spool_is_said_and_the_uplink_goes_on(place: Place, collector: Collector) -> None:
    """The collector learns that something is missing, and gets what comes after."""
    _put(place, *range(1, 20))
    with place.spool.open("r+b") as file:
        file.write(b"this is no database" * 40)
    for suffix in ("-wal", "-shm"):
        place.spool.with_name(place.spool.name + suffix).unlink(missing_ok=True)
    with Running(place) as running:
        _until(lambda: any(host.gaps for host in collector.hosts))
        _put(place, 50)
        _until(lambda: collector.batches)

    assert any("was damaged" in line for line in running.said)
    assert collector.hosts[0].gaps[0].reason == Reason.SPOOL_DAMAGED


def test_there_is_one_uplink(place: Place, collector: Collector) -> None:
    """Two uplinks would send everything twice; one that a run started leaves the work to the other."""
    with Running(place):
        _until(lambda: collector.hosts)
        with pytest.raises(AlreadyRunningError):
            Uplink(place, print, drain=True).run()


def test_a_service_takes_over_from_one_that_drains(place: Place, collector: Collector) -> None:
    """Whoever starts the service first or last, one uplink does the work, and no batch waits for want of one."""
    with Running(place, drain=True, settings=Settings(linger=0.5)) as draining, Running(place):
        _until(lambda: collector.hosts)
        draining.wait(20)
        _put(place, 1)
        _until(lambda: collector.batches)


def test_no_run_falls_between_two_uplinks(place: Place, collector: Collector) -> None:
    """However a run and the end of an uplink fall together, its batch is sent at once or another is started."""
    eager = Settings(linger=0.0, takeover=10)
    started: list[Running] = []

    def start(_place: Place) -> None:
        started.append(Running(place, drain=True, settings=eager))
        started[-1].__enter__()

    for seq in range(1, 31):
        _put(place, seq)
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
    _put(place, 1)
    impatient = Settings(linger=0.1, longest_pause=0.1, patience=0.8, deadline=1, host_deadline=1)

    with Running(place, drain=True, settings=impatient) as running:
        running.wait(20)

    assert _left(place) == 1
    assert len(running.said) <= 2, "one line, not one per attempt"


def _document(kind: int, version: int, **more: object) -> control_pb2.Document:
    return control_pb2.Document(kind=kind, version=version, **more)  # type: ignore[arg-type]


def _pushed(place: Place) -> list[str]:
    request = sources.Request(home="/nonexistent", state=str(place.state), system="/nonexistent")
    return [text.data.decode() for text in sources.gather(request) if text.kind == "collector"]


BLOCK = control_pb2.Block(purl="pkg:npm/evil@1.2.3", reason='it "stole" keys\n\x7f[[allow]]')


def test_a_block_reaches_a_listening_host_in_seconds(place: Place, collector: Collector) -> None:
    """An emergency block is a file of the next run's policy, and the collector knows that it is in force."""
    with Running(place):
        _until(lambda: collector.watched)
        began = time.monotonic()
        collector.push(_document(BLOCKS, 1, blocks=[BLOCK]))
        _until(lambda: collector.acknowledged)
        took = time.monotonic() - began

    assert [(each.version, each.applied, each.problem) for each in collector.acknowledged] == [(1, True, "")]
    assert ['package = "pkg:npm/evil@1.2.3"' in text for text in _pushed(place)] == [True]
    assert took < 10


def test_a_pushed_block_is_in_the_policy_of_the_next_run(tmp_path: Path) -> None:
    """What the collector blocks, the launcher's own compiler puts in force, above what the user allows."""
    Pushed(Place(tmp_path)).take(_document(BLOCKS, 1, blocks=[BLOCK]))
    (tmp_path / "home/.config/pratique").mkdir(parents=True)
    (tmp_path / "home/.config/pratique/config.toml").write_text(
        '[[allow]]\npackage = "pkg:npm/evil@1.2.3"\nconnect = ["sink.example:443"]\nreason = "I want it"\n'
    )
    request = sources.Request(str(tmp_path / "home"), state=str(tmp_path), system="/nonexistent")
    policy = cache.load(request)

    assert [block.package for block in policy.blocks] == ["pkg:npm/evil@1.2.3"]
    assert [source.kind for source in policy.sources if source.kind != "shipped"] == ["collector", "user"]
    identity_of_evil = Identity(Quality.VERIFIED, "pkg:npm/evil@1.2.3")
    assert allows.blocked(policy, identity_of_evil) is not None


def test_what_is_held_is_not_sent_again(place: Place, collector: Collector) -> None:
    """The next connection says what the host holds."""
    collector.push(_document(BLOCKS, 3, blocks=[BLOCK]))
    with Running(place):
        _until(lambda: collector.acknowledged)
    with Running(place):
        _until(lambda: len(collector.watched) == 2)
        _until(lambda: len(collector.hosts) >= 3)

    assert [(each.kind, each.version) for each in collector.watched[1].held] == [(BLOCKS, 3)]
    assert len(collector.acknowledged) == 1
    assert dict(collector.hosts[-1].holds) == {"blocks": 3}


def test_a_wrong_policy_changes_nothing(tmp_path: Path) -> None:
    """A document that this host cannot compile is refused with the reason; what was held stays in force."""
    pushed, place = Pushed(Place(tmp_path)), Place(tmp_path)
    good = '[[allow]]\npackage = "pkg:npm/esbuild@0.25.0"\nconnect = ["cdn.example.com:443"]\nreason = "binary"\n'

    assert pushed.take(_document(POLICY, 1, policy=good)) is None
    problem = pushed.take(_document(POLICY, 2, policy='profil = "strict"\n'))
    older = pushed.take(_document(POLICY, 0, policy=""))
    strange = pushed.take(_document(77, 1))

    assert problem is not None
    assert 'unknown key "profil"' in problem
    assert older == "version 0 is older than 1, which is held"
    assert strange is not None
    assert _pushed(place) == [good]
    assert pushed.held() == {POLICY: 1}


def test_a_block_is_stronger_than_the_policy_beside_it(tmp_path: Path) -> None:
    """Files are read by name, and both take part."""
    place = Place(tmp_path)
    Pushed(place).take(_document(BLOCKS, 1, blocks=[BLOCK]))
    Pushed(place).take(_document(POLICY, 1, policy='profile = "strict"\n'))
    Pushed(place).take(_document(BLOCKS, 2, blocks=[]))

    assert _pushed(place) == ['profile = "strict"\n', ""]


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_out_of_a_block(purl: str, reason: str) -> None:
    """Whatever a collector writes into a block, the file says that and nothing else."""
    import tomllib

    from pratique.telemetry.control import _block

    held = tomllib.loads(_block(control_pb2.Block(purl=purl, reason=reason)))

    assert list(held) == ["block"]
    assert held["block"] == [{"package": purl, "reason": reason or "blocked by the organisation"}]


def test_a_token_works_once(tmp_path: Path, collector: Collector) -> None:
    """A token that somebody else used, or that was made up, gives nothing, and leaves nothing behind."""
    token = collector.token()
    enrolling.enrol(Place(tmp_path / "one"), collector.url, token)

    with pytest.raises(enrolling.EnrolError, match="did not take this host in: UNAUTHENTICATED"):
        enrolling.enrol(Place(tmp_path / "two"), collector.url, token)
    assert not Place(tmp_path / "two").enrolled()


def test_another_authority_is_never_spoken_to(tmp_path: Path, collector: Collector) -> None:
    """Who stands in for the collector gets neither the token nor a request."""
    token = JoinToken.make(Authority().der)

    with pytest.raises(enrolling.EnrolError, match="another authority than the token names"):
        enrolling.enrol(Place(tmp_path), collector.url, str(token))
    assert list(tmp_path.iterdir()) == []


def test_an_authority_that_is_only_shown_is_not_enough(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates are public: showing the right one without a chain that leads to it opens nothing."""
    other = Collector()
    thief_key, thief_chain = other.authority.server()
    monkeypatch.setattr(
        other.authority, "server", lambda: (thief_key, thief_chain.split(b"-----END CERTIFICATE-----\n")[0]
        + b"-----END CERTIFICATE-----\n" + collector.authority.pem),
    )  # fmt: skip
    other.start()
    try:
        with pytest.raises(enrolling.EnrolError, match="UNAVAILABLE"):
            enrolling.enrol(Place(tmp_path), other.url, collector.token())
    finally:
        other.stop()
    assert len(collector.tokens) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["", "http://a", "https://a/b", "https://u@a", "https://[", "https://a:x"])
def test_a_wrong_address_is_said(url: str, tmp_path: Path) -> None:
    """A mistyped address is one error, before anything is sent."""
    with pytest.raises(UsageError, match="no address"):
        enrolling.enrol(Place(tmp_path), url, "pj1.x.y")


def test_nobody_there_is_said(tmp_path: Path) -> None:
    """The error names the address."""
    token = str(JoinToken.make(b"x"))
    with pytest.raises(enrolling.EnrolError, match=r"127\.0\.0\.1:1 does not answer"):
        enrolling.enrol(Place(tmp_path), "https://127.0.0.1:1", token)


def test_leaving_forgets_the_collector(place: Place) -> None:
    """Afterwards the host holds no key, no policy of the collector, and sends nothing."""
    Pushed(place).take(_document(BLOCKS, 1, blocks=[BLOCK]))
    enrolling.leave(place)

    assert not place.enrolled()
    assert not place.identity.exists()
    assert _pushed(place) == []
    with pytest.raises(UsageError, match="not enrolled"):
        link.Enrolment.load(place)


def test_the_key_is_the_owners_alone(place: Place) -> None:
    """Nobody else on the host can speak in its name."""
    assert place.identity.stat().st_mode & 0o777 == 0o600
    assert place.folder.stat().st_mode & 0o777 == 0o700


def test_kill_9_of_the_uplink_loses_nothing(place: Place, collector: Collector) -> None:
    """Whenever it dies, the next one sends the rest; what came twice counts once."""
    collector.faults.delay = 0.01
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"], "HOME": str(place.state)}
    program = (
        "import sys; from pathlib import Path; from pratique.telemetry.place import Place;"
        "from pratique.telemetry.uplink import Uplink, Settings;"
        "Uplink(Place(Path(sys.argv[1])), print, drain=True, settings=Settings(linger=0.2)).run()"
    )
    put = 0
    for number in range(4):
        _put(place, *range(put + 1, put + 41))
        put += 40
        with subprocess.Popen(
            [sys.executable, "-c", program, str(place.state)], env=environment, stdout=subprocess.DEVNULL
        ) as child:
            before = collector.received
            _until(lambda before=before: collector.received > before + random.randint(0, 12), 30)
            if number < 3:
                child.kill()
    assert sorted(seq for _, _, seq in collector.batches) == list(range(1, put + 1))
    assert _left(place) == 0
