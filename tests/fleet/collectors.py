"""A collector in a thread of its own, on ports the system chose, for as long as a test needs it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fleet import hosts
from pratique.api.tokens import JoinToken
from pratique_server.collector import Collector
from pratique_server.config import Address, Config
from pratique_server.pki.authority import open_authority
from pratique_server.store.store import open_all

_ANY = Address("127.0.0.1", 0)
_SECONDS = 30


class Running:
    """A collector that runs, and the tests' way to it."""

    def __init__(self, collector: Collector, loop: asyncio.AbstractEventLoop) -> None:
        self.collector, self._loop = collector, loop
        self.store = collector.store
        self.address = f"127.0.0.1:{collector.grpc.port}"
        self.enrolment = f"127.0.0.1:{collector.enrol.port}"
        self.authorities = collector.authority.authorities

    def token(self, seconds: int = 60) -> str:
        """A join token."""
        made = JoinToken.make(self.collector.authority.certificate)
        self.store.enrolment.make_token(made.secret_digest, "", "test", seconds)
        return str(made)

    def enrol(self, name: str = "a-host") -> hosts.Credentials:
        """A host that is in."""
        return hosts.enrol(self.enrolment, self.token(), self.authorities, name)

    def do(self, work: Callable[[], Any]) -> Any:
        """Run a coroutine in the collector's loop."""
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(_SECONDS)


def config(folder: Path, **more: Any) -> Config:
    """A collector on loopback, ports chosen by the system."""
    return replace(Config(folder, grpc=_ANY, enrol=_ANY, web=_ANY), **more)


@contextmanager
def running(configured: Config) -> Iterator[Running]:
    """A collector for a while."""
    started: Future[Running] = Future()
    stop = threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(_serve(configured, started, stop),), daemon=True)
    thread.start()
    try:
        yield started.result(_SECONDS)
    finally:
        stop.set()
        thread.join(_SECONDS)


async def _serve(configured: Config, started: "Future[Running]", stop: threading.Event) -> None:
    try:
        store = open_all(configured.index_url, configured.segments_url)
        collector = Collector(configured, store, open_authority(configured.data / "pki", configured.domain))
        await collector.start()
    except BaseException as error:  # the test waits for an answer
        started.set_exception(error)
        raise
    started.set_result(Running(collector, asyncio.get_running_loop()))
    await asyncio.to_thread(stop.wait)
    await collector.stop()
    store.close()
