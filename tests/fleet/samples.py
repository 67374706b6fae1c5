"""Batches as the store takes them, made up but consistent: every count can be added up again."""

import hashlib

from pratique_server.store.records import Batch, Finding, Gap, Installed, Package, Segment, Sighting

HOST = "host-a"
RUN = "01JD3K0000000000000000000A"
NOON = 1_763_812_800_000_000


def segment(data: bytes = b"some bytes", events: int = 10, first: int = NOON) -> Segment:
    """A segment of so many events."""
    return Segment(data, hashlib.sha256(data).digest(), 1, events, first, first + events)


def finding(number: int = 1, purl: str | None = "pkg:pypi/evil@1.2.3", action: str = "denied") -> Finding:
    """A refusal."""
    return Finding(
        f"{RUN}-{number:04}", "secrets.read", "Secret read", "high", action, "build", "package", "file.read",
        "~/.aws/credentials", purl, NOON + number, 1, b"the whole of it",
    )  # fmt: skip


def batch(seq: int = 1, host: str = HOST, run: str = RUN, events: int = 10, **more: object) -> Batch:
    """A batch, its content told by its host, run and number."""
    given = {"segment": segment(f"{host} {run} {seq}".encode(), events), "received": NOON, **more}
    return Batch(host, run, seq, **given)  # type: ignore[arg-type]


def last(seq: int = 2, verdict: str = "blocked", **more: object) -> Batch:
    """The last batch of a run: it says what the run was and came to."""
    facts = {
        "started": NOON, "ended": NOON + 5, "manager": "pip", "verdict": verdict, "exit_status": 1, "batches": seq,
    }  # fmt: skip
    packages = [Package("pkg:pypi/evil@1.2.3", "verified", True, 7, 2, NOON, 2)]
    given = {
        "facts": facts,
        "packages": packages,
        "installed": [Installed("pkg:pypi/evil@1.2.3", "sha256-aa"), Installed("pkg:pypi/six@1.16.0")],
    }
    return batch(seq, **{**given, **more})


def sighting(value: str = "203.0.113.9", purl: str | None = None) -> Sighting:
    """An address that was spoken to."""
    return Sighting("address", value, purl, 3, NOON)


def gap(number: int = 1) -> Gap:
    """Something a host had to drop."""
    return Gap(f"gap-{number}", RUN, "spool-full", 1, 500, 9_000, NOON, NOON + 1)
