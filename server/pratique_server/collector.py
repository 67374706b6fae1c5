"""One collector, from its start to an orderly end: everything in one loop, and one thread that writes."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any

from pratique_server import listeners, moments
from pratique_server.config import Address, Config
from pratique_server.exports.sending import send
from pratique_server.exports.sinks import sink
from pratique_server.hunting.watching import watch
from pratique_server.ingest.control import Bulletin, Control
from pratique_server.ingest.enrolling import Enrolling, Identity
from pratique_server.ingest.groups import GroupCommit
from pratique_server.ingest.health import Health
from pratique_server.ingest.identity import Gate
from pratique_server.ingest.quotas import Quotas
from pratique_server.ingest.telemetry import Telemetry
from pratique_server.metrics import Metrics
from pratique_server.pki.authority import Authority
from pratique_server.store.retention import forget
from pratique_server.store.store import Store
from pratique_server.web.app import make_app
from pratique_server.web.provider import Provider
from pratique_server.web.review import with_pages
from pratique_server.web.serving import Serving

_log = logging.getLogger(__name__)
_LOOK = 1.0
_RENEW = 60.0
_WATCH = 5.0
_FORGET = 3_600.0
_GRACE = 10.0


class Collector:
    """Takes in, stores, and tells hosts what was decided."""

    def __init__(self, config: Config, store: Store, authority: Authority) -> None:
        self.config, self.store, self.authority = config, store, authority
        self.metrics = Metrics()
        self.gate = Gate(config.domain)
        self.bulletin = Bulletin(store.decisions)
        self.groups = GroupCommit(store.writer.write, config.waiting, self.metrics.groups.observe)
        self.health = Health(self.groups)
        self.metrics.waiting.set_function(lambda: self.groups.waiting)
        self.metrics.failing.set_function(lambda: self.groups.failing is not None)
        self._services = self._made()
        self._servers: list[Any] = []
        self._tasks: list[asyncio.Task[None]] = []
        provider = Provider(config.provider) if config.provider is not None else None
        app = with_pages(make_app(store, self.metrics, config.parquet), provider)
        self._web = Serving(app, config.web, config.behind_proxy)
        self.grpc, self.enrol, self.web = config.grpc, config.enrol, self._web.address

    async def start(self) -> None:
        """Begin to serve; `grpc`, `enrol` and `web` then say where."""
        await self._look()
        self.groups.start()
        await self._listen()
        await self._web.start()
        self._every(_LOOK, self._look)
        self._every(_RENEW, self._renew)
        self._every(_WATCH, self._watch)
        if self.config.keep_days > 0:
            self._every(_FORGET, self._forget)
        secret = os.environ.get("PRATIQUE_SERVER_SECRET", "")
        for said in self.config.sinks:
            self._tasks.append(asyncio.create_task(send(self.store.engine, sink(said, secret))))

    async def stop(self) -> None:
        """Take nothing new, finish and acknowledge what was taken, let go."""
        self.health.draining = True
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await asyncio.gather(self._web.stop(), *(server.stop(_GRACE) for server in self._servers))
        await self.groups.close()

    async def _listen(self) -> None:
        self._keyed = self.authority.for_server(self.config.names)
        authorities, services = self.authority.authorities, self._services
        hosts, port = listeners.for_hosts(self._keyed, authorities, self.grpc, services)
        self.grpc = Address(self.grpc.host, port)
        services["enrolling"].port = port
        strangers, port = listeners.for_strangers(self._keyed, self.enrol, services)
        self.enrol = Address(self.enrol.host, port)
        self._servers = [hosts, strangers]
        for server in self._servers:
            await server.start()

    async def _renew(self) -> None:
        """With a new certificate come new listeners on the same ports; what is being answered is finished first."""
        if moments.now() >= self._keyed.renew_at:
            await asyncio.gather(*(server.stop(_GRACE) for server in self._servers))
            await self._listen()

    def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        self._tasks.append(asyncio.create_task(_repeat(work, seconds)))

    async def _look(self) -> None:
        """See what others decided: new versions, and who is no longer welcome."""
        denied = await asyncio.to_thread(self.store.enrolment.denied)
        if denied != self.gate.denied:
            self.gate.denied = denied
            self.bulletin.wake()
        await self.bulletin.look()

    async def _watch(self) -> None:
        """Ask watched hunts of what came in, and say what they saw."""
        for alert in await asyncio.to_thread(watch, self.store.engine):
            _log.warning("watched hunt %r saw %r", alert["hunt"], alert["what"])

    async def _forget(self) -> None:
        before = moments.now() - self.config.keep_days * moments.DAY
        forgotten = await asyncio.to_thread(forget, self.store.engine, self.store.segments, before)
        day = moments.day(before)
        for path in self.config.parquet.glob("????-??-??.parquet"):
            if path.stem < day:
                path.unlink(missing_ok=True)
        if forgotten:
            _log.info("%d runs were older than %d days and are gone", forgotten, self.config.keep_days)

    def _made(self) -> dict[str, Any]:
        store, metrics, domain = self.store, self.metrics, self.config.domain
        quotas = Quotas(self.config.host_rate, self.config.host_burst)
        return {
            "telemetry": Telemetry(self.gate, self.groups, quotas, store.enrolment, metrics),
            "control": Control(self.gate, self.bulletin, store.decisions, metrics),
            "identity": Identity(self.gate, domain, self.authority, store.enrolment, metrics),
            "enrolling": Enrolling(domain, self.authority, store.enrolment, metrics),
            "health": self.health,
        }


async def _repeat(work: Callable[[], Awaitable[None]], seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception:  # noqa: BLE001 -- a database that is away for a while must not end it
            _log.exception("background work failed; it will be tried again")
