"""Joining, leaving, and staying: only the named collector is spoken to, and certificates are renewed in time."""

import socket
import time
from datetime import timedelta
from pathlib import Path

import pytest

from collector_double import Authority, Collector
from lab.proxy import Proxy
from pratique.api.tokens import JoinToken
from pratique.errors import UsageError
from pratique.telemetry import enrolling, identity, link
from pratique.telemetry.control import BLOCKS, Pushed
from pratique.telemetry.place import Place
from unit.test_telemetry_control import BLOCK, _document, _pushed
from uplink_house import Running, left, put, until


def test_a_token_works_once(tmp_path: Path, collector: Collector) -> None:
    """A token that somebody else used, or that was made up, gives nothing, and leaves nothing behind."""
    token = collector.token()
    enrolling.enrol(Place(tmp_path / "one"), collector.url, token)

    with pytest.raises(enrolling.EnrolError, match="did not take this host in: UNAUTHENTICATED"):
        enrolling.enrol(Place(tmp_path / "two"), collector.url, token)
    assert not Place(tmp_path / "two").enrolled()


def test_a_host_behind_a_proxy_joins_through_it(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both steps go there: the look at the authority, and the request; and nothing goes straight."""
    proxy = Proxy(
        socket.create_server(("127.0.0.1", 0)), lambda host, port: socket.create_connection((host, port))
    )
    monkeypatch.setenv("https_proxy", proxy.url)
    for name in ("no_proxy", "NO_PROXY", "grpc_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    try:
        enrolling.enrol(Place(tmp_path), collector.url, collector.token())
    finally:
        proxy.close()

    assert Place(tmp_path).enrolled()
    assert len(proxy.asked) >= 2
    assert len(set(proxy.asked)) == 1


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


def test_the_certificate_is_renewed_on_a_second_connection(place: Place, collector: Collector) -> None:
    """Two thirds through its life the host has a new key and certificate, and loses nothing over it."""
    collector.life = timedelta(seconds=3)
    enrolling.enrol(place, collector.url, collector.token())
    before = identity.load(place.identity)
    collector.faults.delay = 0.02
    put(place, *range(1, 300))
    with Running(place) as running:
        until(lambda: collector.renewed, 20)
        put(place, *range(300, 310))
        until(lambda: left(place) == 0, 40)
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
    put(place, 1)
    until(lambda: time.time() > identity.load(place.identity).until + 0.2)
    with Running(place) as running:
        until(lambda: running.said)

    assert "certificate ended" in running.said[0]
    assert "enrol it again" in running.said[0]
    assert left(place) == 1
    assert collector.batches == {}


def test_a_clock_that_is_days_off_renews_no_storm(place: Place, collector: Collector) -> None:
    """The collector's clock decides when a certificate is old."""
    collector.faults.ahead = -5 * 86_400
    with Running(place):
        until(lambda: collector.hosts)
        time.sleep(1)

    assert collector.renewed == []
