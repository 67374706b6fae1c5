"""The review pages over HTTP, with the story of a fleet in their store."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from fleet import story
from pratique_server.metrics import Metrics
from pratique_server.store.store import Store, open_all
from pratique_server.web.app import make_app
from pratique_server.web.provider import Provider
from pratique_server.web.review import with_pages

_SECONDS = 30


@dataclass(frozen=True)
class Site:
    """The pages, and the store behind them."""

    address: str
    store: Store
    fleet: story.Fleet

    @contextmanager
    def client(self, name: str | None = None) -> Iterator[httpx.Client]:
        """Somebody's HTTP client, signed in when a name is given."""
        with httpx.Client(base_url=self.address, timeout=20, headers={"Accept": "text/html"}) as client:
            if name is not None:
                given = {"name": name, "password": story.PASSWORD}
                answer = client.post("/login", data=given, headers={"Origin": self.address})
                assert answer.status_code == 303, answer.text
            yield client

    def csrf(self, client: httpx.Client) -> str:
        """The token of a client's session, as its pages carry it."""
        text = client.get("/blocks").text
        return text.partition('"X-CSRF": "')[2].partition('"')[0]


@contextmanager
def serving(store: Store, folder: Path, provider: Provider | None = None) -> Iterator[str]:
    """The application on a port the system chose."""
    app = with_pages(make_app(store, Metrics(), folder / "parquet"), provider)
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + _SECONDS
    while not server.started and time.monotonic() < until:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(_SECONDS)


def serve(folder: Path, told: Any) -> None:
    """In a process of its own: tells its address, and serves until it is ended."""
    with serving(opened(folder), folder) as address:
        told.put(address)
        threading.Event().wait()


def opened(folder: Path) -> Store:
    """The store in a folder."""
    return open_all(f"sqlite:///{folder / 'index.db'}", f"days:{folder / 'segments'}")


@contextmanager
def site_in(folder: Path, *, empty: bool = False) -> Iterator[Site]:
    """A site of its own."""
    store = opened(folder)
    fleet = story.Fleet(store) if empty else story.tell(store)
    if empty:
        story.people(store)
    with serving(store, folder) as address:
        yield Site(address, store, fleet)
    store.close()
