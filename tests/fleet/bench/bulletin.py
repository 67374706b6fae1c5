"""How fast a block reaches many hosts that all watch."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import grpc

from fleet.hosts import EVIL, Credentials
from fleet.served import Served
from pratique.api.v1 import control_pb2, control_pb2_grpc
from pratique_server.store.store import open_all


async def push(served: Served, watchers: Sequence[Credentials], folder: Path) -> tuple[float, float]:
    """Seconds until the first and the last of the watchers hold a new block."""
    channels = [_channel(each, served.address) for each in watchers]
    await asyncio.gather(*(channel.channel_ready() for channel in channels))
    streams = [
        control_pb2_grpc.ControlServiceStub(c).Watch(control_pb2.WatchRequest(protocol=1)) for c in channels
    ]
    waiting = [asyncio.create_task(_heard(stream)) for stream in streams]
    await asyncio.sleep(3)
    store = open_all(f"sqlite:///{folder / 'index.db'}", f"days:{folder / 'segments'}")
    began = time.perf_counter()
    store.decisions.block(EVIL, "a worm", "bench")
    heard = sorted(when - began for when in await asyncio.gather(*waiting))
    store.close()
    for stream in streams:
        stream.cancel()
    await asyncio.gather(*(channel.close() for channel in channels))
    return heard[0], heard[-1]


async def _heard(stream: grpc.aio.UnaryStreamCall) -> float:
    async for said in stream:
        if said.HasField("document"):
            return time.perf_counter()
    raise AssertionError("the stream ended")


def _channel(sender: Credentials, address: str) -> grpc.aio.Channel:
    credentials = grpc.ssl_channel_credentials(sender.authorities, sender.key, sender.chain)
    # Each host has a connection of its own; in one process gRPC would share one.
    return grpc.aio.secure_channel(address, credentials, options=[("grpc.use_local_subchannel_pool", 1)])
