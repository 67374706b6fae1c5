"""Bad days: collectors and databases are killed under load, disks are full; what was acknowledged is there, once.

`PRATIQUE_FAULT_ROUNDS=50 make test-server` kills as often as the name says; a few times without it.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet import faults, hosts
from fleet.postgres import Postgres
from fleet.served import Served, enrolled, free_port
from pratique.api.v1 import health_pb2
from pratique_server.config import Config
from pratique_server.store.store import Store, open_all

pytestmark = [pytest.mark.services, pytest.mark.timeout(1800)]
ROUNDS = int(os.environ.get("PRATIQUE_FAULT_ROUNDS", "3"))
HOSTS = 6


def _store(folder: Path, database: str = "") -> Store:
    configured = Config(folder, database=database)
    return open_all(configured.index_url, configured.segments_url)


def _until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something holds, at most so long."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def _grown(load: faults.Load) -> None:
    """Wait until hosts were told of more than before: somebody takes batches again."""
    before = len(load.acknowledged)
    _until(lambda: len(load.acknowledged) > before + HOSTS)


def test_collectors_are_killed_under_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Kill -9 of the collector at random moments, on SQLite: acknowledged is stored, nothing counts twice."""
    senders, port = enrolled(tmp_path, HOSTS), free_port()
    collector = Served(tmp_path, "--grpc", f"127.0.0.1:{port}")
    with faults.sending(senders, collector.address) as load:
        for _ in range(ROUNDS):
            _grown(load)
            time.sleep(random.uniform(0, 0.7))
            collector.stop(signal.SIGKILL)
            collector = Served(tmp_path, "--grpc", f"127.0.0.1:{port}")
        _grown(load)
    assert collector.stop() == 0

    store = _store(tmp_path)
    told = faults.account(store, load)
    store.close()

    assert load.refused == []
    assert load.failures > 0
    with capsys.disabled():
        print(f"\n  {ROUNDS} kills of the collector: {told}")  # noqa: T201 -- the figures of the round


def test_postgres_is_killed_under_load(
    server: Postgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kill -9 of PostgreSQL at random moments under two collectors, one of which is killed, too."""
    database = server.database()
    senders = enrolled(tmp_path, HOSTS, database)
    ports = [free_port(), free_port()]
    both = [Served(tmp_path, "--database", database, "--grpc", f"127.0.0.1:{port}") for port in ports]
    with faults.sending(senders, *(each.address for each in both)) as load:
        for turn in range(ROUNDS):
            _grown(load)
            time.sleep(random.uniform(0, 0.7))
            server.kill()
            time.sleep(random.uniform(0, 0.5))
            server.start()
            if turn % 2:
                both[0].stop(signal.SIGKILL)
                both[0] = Served(tmp_path, "--database", database, "--grpc", f"127.0.0.1:{ports[0]}")
        _grown(load)
    assert [each.stop() for each in both] == [0, 0]

    store = _store(tmp_path, database)
    told = faults.account(store, load)
    store.close()

    assert load.refused == []
    with capsys.disabled():
        print(f"\n  {ROUNDS} kills of PostgreSQL: {told}")  # noqa: T201 -- as above


def test_an_orderly_end_loses_nothing_in_flight(tmp_path: Path) -> None:
    """SIGTERM under load: what was taken is committed and acknowledged before the process ends, with status 0."""
    senders = enrolled(tmp_path, HOSTS)
    collector = Served(tmp_path)
    with faults.sending(senders, collector.address) as load:
        _grown(load)
        assert collector.stop() == 0

    store = _store(tmp_path)
    told = faults.account(store, load)
    store.close()

    assert told["stored"] == told["acknowledged"]


def test_a_full_disk(tmp_path: Path) -> None:
    """With no room left nothing is acknowledged and health says why; with room again, everything goes on."""
    senders, port = enrolled(tmp_path, HOSTS), free_port()
    address = ("--grpc", f"127.0.0.1:{port}")
    # A limit on the size of files stands for a full disk: writing fails in the same place.
    collector = Served(tmp_path, *address, before=("prlimit", "--fsize=900000"))
    with faults.sending(senders, collector.address) as load:
        with hosts.connected(senders[0], collector.address) as client:
            _until(lambda: _health(client) == health_pb2.HEALTH_STATUS_FAILING, 90)
        before = len(load.acknowledged)
        time.sleep(1)
        assert len(load.acknowledged) - before <= HOSTS
        collector.stop(signal.SIGKILL)
        collector = Served(tmp_path, *address)
        _grown(load)
    assert collector.stop() == 0

    store = _store(tmp_path)
    faults.account(store, load)
    store.close()
    assert load.refused == []


def _health(client: hosts.Client) -> int:
    return client.health.Check(health_pb2.CheckRequest(), timeout=20).status
