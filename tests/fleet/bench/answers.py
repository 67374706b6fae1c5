"""How long questions take, asked over HTTP of a store with millions of events."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import httpx

from fleet.bench import load

ROUNDS = 40


@dataclass(frozen=True)
class Answer:
    """One question, asked many times."""

    question: str
    p50_ms: float
    p95_ms: float
    bytes: int


def questions(client: httpx.Client) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """What the review pages will ask."""
    run = client.get("/runs", params={"limit": 500}).json()["items"][-1]
    rare = client.get("/packages").json()["items"][0]["purl"]
    return {
        "overview": ("/overview", {}),
        "latest runs": ("/runs", {}),
        "blocked runs": ("/runs", {"verdict": "blocked"}),
        "latest findings": ("/findings", {}),
        "one run": (f"/runs/{run['id']}", {"host": run["host"]}),
        "events of a run": (f"/runs/{run['id']}/events", {"host": run["host"]}),
        "package, the commonest": ("/package", {"purl": load.purl(0)}),
        "blast radius, the commonest": ("/blast-radius", {"purl": load.purl(0)}),
        "blast radius, a rare one": ("/blast-radius", {"purl": rare}),
        "who spoke to an address": ("/search", {"q": "198.51.0.1"}),
        "runs of a package": ("/runs", {"package": load.purl(0)}),
        "hosts": ("/hosts", {}),
    }


def ask(web: str, secret: str, rounds: int = ROUNDS) -> list[Answer]:
    """Ask every question `rounds` times, interleaved, after one time that is not counted."""
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx.Client(base_url=f"{web}/api/v1", headers=headers, timeout=60) as client:
        asked = questions(client)
        times: dict[str, list[float]] = {question: [] for question in asked}
        sizes: dict[str, int] = {}
        for turn in range(rounds + 1):
            for question, (path, query) in asked.items():
                began = time.perf_counter()
                answer = client.get(path, params=dict(query))
                assert answer.status_code == 200, answer.text
                if turn:
                    times[question].append(time.perf_counter() - began)
                sizes[question] = len(answer.content)
    return [Answer(q, median(t) * 1e3, quantiles(t, n=20)[18] * 1e3, sizes[q]) for q, t in times.items()]
