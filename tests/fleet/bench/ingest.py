"""Acknowledged events per second, from hosts over mutual TLS to a commit on disk."""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import grpc

from fleet.bench import load
from fleet.hosts import Credentials
from fleet.served import Served
from pratique.api.v1 import telemetry_pb2, telemetry_pb2_grpc

Request = telemetry_pb2.PutBatchRequest
_PAUSE = 0.1


@dataclass(frozen=True)
class Rate:
    """What was acknowledged while the clock ran."""

    hosts: int
    events: int
    batch: int
    seconds: float
    payload: float
    """Compressed bytes of an event on the wire."""
    p50_ms: float
    p99_ms: float
    cpu_us: float


async def measure(
    served: Served, senders: Sequence[Credentials], batches: Sequence[Request], window: int
) -> Rate:
    """Every host sends with `window` batches in flight until all are acknowledged."""
    waits: list[float] = []
    channels = [_channel(sender, served.address) for sender in senders]
    stubs = [telemetry_pb2_grpc.TelemetryServiceStub(channel) for channel in channels]
    await asyncio.gather(*(channel.channel_ready() for channel in channels))
    queue, cpu, began = iter(batches), served.cpu(), time.perf_counter()
    await asyncio.gather(*(_send(stub, queue, waits) for stub in stubs for _ in range(window)))
    seconds, cpu = time.perf_counter() - began, served.cpu() - cpu
    await asyncio.gather(*(channel.close() for channel in channels))
    events, cuts = sum(each.records for each in batches), quantiles(waits, n=100)
    payload = sum(len(each.payload) for each in batches) / events
    times = (median(waits) * 1e3, cuts[98] * 1e3, cpu / events * 1e6)
    return Rate(len(senders), events, batches[0].records, seconds, payload, *times)


async def _send(
    stub: telemetry_pb2_grpc.TelemetryServiceStub, queue: Iterator[Request], waits: list[float]
) -> None:
    for request in queue:
        began = time.perf_counter()
        while (answer := await _asked(stub, request)) is None:
            await asyncio.sleep(_PAUSE)
        assert answer.receipt == telemetry_pb2.RECEIPT_STORED, answer.reason
        waits.append(time.perf_counter() - began)


async def _asked(stub: telemetry_pb2_grpc.TelemetryServiceStub, request: Request) -> Any:
    """The answer, or None when there was none: a host sends the batch again, and the wait counts."""
    try:
        return await stub.PutBatch(request, timeout=60)
    except grpc.aio.AioRpcError as error:
        print(f"again: {error.code().name} {error.details()}", file=sys.stderr)
        return None


def _channel(sender: Credentials, address: str) -> grpc.aio.Channel:
    credentials = grpc.ssl_channel_credentials(sender.authorities, sender.key, sender.chain)
    return grpc.aio.secure_channel(address, credentials)


def made(first: int, events: int, batch: int, *, real: bool = False) -> list[Request]:
    """Runs of one batch each, so many events in all, made up or recorded."""
    return [load.run(first + number, batch, real=real) for number in range(events // batch)]
