"""A collector that comes back is met by everybody at once: all get in, and each batch is stored once."""

import asyncio
import os
import resource
import signal
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from sqlalchemy import func, select

from fleet import hosts
from fleet.hosts import Credentials
from fleet.served import Served, enrolled, free_port
from pratique.api.v1 import telemetry_pb2, telemetry_pb2_grpc
from pratique_server.config import Config
from pratique_server.store.schema import segments
from pratique_server.store.store import open_all

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]
MANY = int(os.environ.get("PRATIQUE_RECONNECTS", "200"))
"""`PRATIQUE_RECONNECTS=1000 make test-server` is what a collector of a thousand hosts meets."""
_HOSTS, _TRIES, _PAUSE = 50, 200, 0.1


@pytest.fixture(autouse=True)
def room() -> Iterator[None]:
    """Each connection is a descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * MANY + 1_024), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _send(channel: grpc.aio.Channel, number: int, seq: int) -> None:
    stub = telemetry_pb2_grpc.TelemetryServiceStub(channel)
    request = hosts.batch(seq, hosts.run_id(number))
    for _ in range(_TRIES):
        try:
            answer = await stub.PutBatch(request, timeout=60)
        except grpc.aio.AioRpcError:
            await asyncio.sleep(_PAUSE)
            continue
        assert answer.receipt == telemetry_pb2.RECEIPT_STORED
        return
    raise AssertionError("it was never acknowledged")


async def _all(senders: Sequence[Credentials], folder: Path, port: int, first: Served) -> Served:
    """Everybody sends, the collector is killed and comes back, everybody sends on."""
    # Connections of their own: gRPC would share one between channels that look alike.
    apart = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 1_000)]
    channels = []
    for number in range(MANY):
        sender = senders[number % _HOSTS]
        credentials = grpc.ssl_channel_credentials(sender.authorities, sender.key, sender.chain)
        channels.append(grpc.aio.secure_channel(first.address, credentials, apart))
    await asyncio.gather(*(_send(channel, number, 1) for number, channel in enumerate(channels)))
    first.stop(signal.SIGKILL)
    again = await asyncio.to_thread(Served, folder, "--grpc", f"127.0.0.1:{port}")
    await asyncio.gather(*(_send(channel, number, 2) for number, channel in enumerate(channels)))
    await asyncio.gather(*(channel.close() for channel in channels))
    return again


def test_everybody_comes_back_at_once(tmp_path: Path) -> None:
    """After kill -9: no batch is refused for good, none is lost, none counts twice."""
    senders, port = enrolled(tmp_path, _HOSTS), free_port()
    collector = Served(tmp_path, "--grpc", f"127.0.0.1:{port}")
    collector = asyncio.run(_all(senders, tmp_path, port, collector))
    assert collector.stop() == 0

    configured = Config(tmp_path)
    with (
        closing(open_all(configured.index_url, configured.segments_url)) as store,
        store.engine.connect() as db,
    ):
        stored, runs = db.execute(select(func.count(), func.count(segments.c.run.distinct()))).one()
    assert (stored, runs) == (2 * MANY, MANY)
