"""How long the server takes for a page of the review UI, on millions of events: `python -m bench.pages`."""

import argparse
import multiprocessing
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from fleet import addresses, hosts, large, sites, story
from fleet.sites import Site
from pratique_server import moments
from pratique_server.ingest import reading
from pratique_server.queries import findings
from pratique_server.queries.pages import Window
from pratique_server.store.store import Store

_EVERYWHERE = "pkg:npm/everywhere@1.0.0"
_MORE = {
    "package on every host": f"/package?purl={_EVERYWHERE}",
    "blast radius of it": f"/blast?purl={_EVERYWHERE}",
    "runs of it": f"/runs?package={_EVERYWHERE}",
    "search by part of a name": "/search?q=package-29",
    "search for an address": "/search?q=198.51.7.7",
    "search for a technique": "/search?q=T1552.001",
    "an old page of findings": "/findings?cursor=500",
}


def main() -> None:
    """Fill a store, ask for each page in turn while batches come in, and print a table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--events", type=int, default=1_000_000)
    asked.add_argument("--rounds", type=int, default=30)
    asked.add_argument("--hosts", type=int, default=1_000)
    asked.add_argument("--store", type=Path, help="a folder to keep the store in, for the next time")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="pages") as name:
        folder = given.store or Path(name)
        store = sites.opened(folder)
        fleet = story.Fleet(store)
        if not (folder / "filled").exists():
            fleet = story.tell(store)
            began = time.perf_counter()
            large.fill(fleet, given.events // large.EVENTS, given.hosts)
            print(f"{given.events:,} events written in {time.perf_counter() - began:.0f} s", flush=True)
            (folder / "filled").touch()
        with _served(folder) as (address, server):
            _measure(Site(address, store, fleet), server, given.rounds)
        store.close()


@contextmanager
def _served(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The pages, by another process: the collector shares its interpreter with nobody who asks."""
    spawned = multiprocessing.get_context("spawn")
    told = spawned.Queue()
    process = spawned.Process(target=sites.serve, args=(folder, told), daemon=True)
    process.start()
    yield told.get(timeout=60), psutil.Process(process.pid)
    process.kill()
    process.join(10)


def _measure(site: Site, server: psutil.Process, rounds: int) -> None:
    run, host = _refused(site.store)
    pages = addresses.pages(run, host, "pkg:npm/package-7@2.0.0") | _MORE
    stop = threading.Event()
    writer = threading.Thread(target=_ingest, args=(site.store, host, stop), daemon=True)
    writer.start()
    print(
        f"{'page':28} {'p50 ms':>8} {'p95 ms':>8} {'max ms':>8} {'CPU ms':>8}   n = {rounds}, batches coming in"
    )
    with site.client("ada") as client:
        for name, address in pages.items():
            client.get(address)
            worked = sum(server.cpu_times()[:2])
            times = [_once(client, address) for _ in range(rounds)]
            worked = (sum(server.cpu_times()[:2]) - worked) * 1000 / rounds
            p95 = statistics.quantiles(times, n=20)[18]
            line = f"{name:28} {statistics.median(times):8.1f} {p95:8.1f} {max(times):8.1f} {worked:8.1f}"
            print(line, flush=True)
    stop.set()
    writer.join(20)


def _refused(store: Store) -> tuple[str, str]:
    """A run in which something was refused, and its host."""
    with store.engine.connect() as connection:
        wanted = findings.Filter(action="denied")
        found = findings.listed(connection, wanted, Window(limit=1)).items[0]
        return found["run"], found["host"]


def _once(client: httpx.Client, address: str) -> float:
    began = time.perf_counter()
    answer = client.get(address)
    assert answer.status_code in (200, 404), (address, answer.status_code)
    return (time.perf_counter() - began) * 1000


def _ingest(store: Store, host: str, stop: threading.Event) -> None:
    """A batch of 50 events every 20 ms: 2 500 events a second, the mean of two thousand hosts."""
    number, salt = 0, time.time_ns() & 0xFFFFFF
    while not stop.wait(0.02):
        number += 1
        request = hosts.batch(1, hosts.run_id((1 << 50) + (salt << 20) + number))
        store.writer.write([reading.batch(request, host, moments.now())])


if __name__ == "__main__":
    main()
