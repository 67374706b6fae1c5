"""uvicorn as a part of our loop: it neither owns the loop nor listens to signals."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from pratique_server.config import Address
from pratique_server.errors import UsageError

_GRACE = 5


class _Embedded(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Whoever started us decides when it ends."""
        yield


class Serving:
    """An application on an address, until `stop`."""

    def __init__(self, app: FastAPI, address: Address, behind_proxy: str = "") -> None:
        """`behind_proxy`: whose `X-Forwarded-Proto` and `X-Forwarded-For` are believed."""
        self._socket = _bound(address)
        self.address = Address(address.host, self._socket.getsockname()[1])
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", server_header=False,
            timeout_graceful_shutdown=_GRACE, proxy_headers=bool(behind_proxy),
            forwarded_allow_ips=behind_proxy or None,
        )  # fmt: skip
        self._server = _Embedded(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to serve."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        """Finish what is being answered, then let go of the address."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()


def _bound(address: Address) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        return socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        raise UsageError(f"{address} cannot be listened on", error.strerror or "") from error
