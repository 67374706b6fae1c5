"""Hosts that never give up, and the account of what they were told: what is acknowledged must be stored, and once."""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import grpc
from sqlalchemy import case, func, select

from fleet import hosts
from pratique.api.v1 import telemetry_pb2
from pratique_server.store.schema import findings, run_packages, runs, segments, tallies
from pratique_server.store.schema import hosts as known_hosts
from pratique_server.store.store import Store

_BATCHES = 3
_PAUSE = 0.05


@dataclass
class Load:
    """Hosts that send run after run to any of some collectors, each batch until it is acknowledged."""

    senders: Sequence[hosts.Credentials]
    addresses: Sequence[str]
    acknowledged: dict[tuple[str, str, int], int] = field(default_factory=dict)
    duplicates: int = 0
    refused: list[str] = field(default_factory=list)
    failures: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin to send."""
        for number, sender in enumerate(self.senders):
            thread = threading.Thread(target=self._send, args=(number, sender), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Stop at once: what is in flight stays unacknowledged."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _send(self, number: int, sender: hosts.Credentials) -> None:
        clients = [sender.channel(address) for address in self.addresses]
        for run in count(number * 1_000_000):
            for request in _run(hosts.run_id(run)):
                self._until_acknowledged(sender.host, [hosts.Client(each) for each in clients], request)
                if self._stop.is_set():
                    for each in clients:
                        each.close()
                    return

    def _until_acknowledged(
        self, host: str, clients: Sequence[hosts.Client], request: telemetry_pb2.PutBatchRequest
    ) -> None:
        while not self._stop.is_set():
            try:
                answer = random.choice(clients).put(request, seconds=3)
            except grpc.RpcError:
                self.failures += 1
                time.sleep(_PAUSE)
                continue
            if answer.receipt == telemetry_pb2.RECEIPT_REFUSED:
                self.refused.append(answer.reason)
            self.duplicates += answer.duplicate
            self.acknowledged[host, request.run_id, request.seq] = request.records
            return


def _run(name: str) -> Iterator[telemetry_pb2.PutBatchRequest]:
    for seq in range(1, _BATCHES):
        yield hosts.batch(seq, name, events=20)
    yield hosts.last(_BATCHES, name, events=20)


@contextmanager
def sending(senders: Sequence[hosts.Credentials], *addresses: str) -> Iterator[Load]:
    """A load for a while."""
    load = Load(senders, addresses)
    load.start()
    try:
        yield load
    finally:
        load.stop()


def account(store: Store, load: Load) -> dict[str, int]:
    """Compare what was told with what is stored; every sum must be what its parts add up to."""
    with store.engine.connect() as connection:
        query = select(
            known_hosts.c.id,
            runs.c.id,
            segments.c.seq,
            segments.c.events,
            segments.c.location,
            segments.c.digest,
        )
        query = query.select_from(segments.join(runs).join(known_hosts, known_hosts.c.number == runs.c.host))
        rows = connection.execute(query).all()
        stored = {(host, run, seq): events for host, run, seq, events, _, _ in rows}
        missing = {key for key, events in load.acknowledged.items() if stored.get(key) != events}
        assert not missing, f"{len(missing)} acknowledged batches are not stored"
        assert len(rows) == len(stored)
        parts = select(segments.c.run, func.sum(segments.c.events)).group_by(segments.c.run)
        sums = select(runs.c.number, runs.c.events)
        assert set(map(tuple, connection.execute(parts))) == set(map(tuple, connection.execute(sums)))
        found = select(findings.c.run, func.count()).group_by(findings.c.run)
        counted = select(runs.c.number, runs.c.findings).where(runs.c.findings > 0)
        assert set(map(tuple, connection.execute(found))) == set(map(tuple, connection.execute(counted)))
        refused = func.sum(case((findings.c.action != "audited", 1), else_=0))
        assert connection.scalar(select(refused)) == connection.scalar(
            select(func.sum(run_packages.c.refused))
        )
        day = select(func.sum(tallies.c.total)).where(tallies.c.name == "events")
        assert connection.scalar(day) == sum(stored.values())
    for _, _, _, events, location, digest in rows[:: max(1, len(rows) // 200)]:
        assert not events or store.segments.get(location, digest)
    return {"acknowledged": len(load.acknowledged), "stored": len(stored), "duplicates": load.duplicates}
