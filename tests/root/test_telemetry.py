"""A guarded install on an enrolled host: everything it did waits in the spool, and no secret does."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import zstandard

from lab.guard import Outcome, guarded, run
from lab.world import World
from pratique.api import columns
from pratique.api.v1 import telemetry_pb2
from pratique.telemetry.place import Place
from pratique.telemetry.spool import Spool

_PACKAGE = Path(__file__).parent / "packages" / "loose-lips-1.0.0"
_PLACE = Place(Path("/var/lib/pratique"))
# Documentation addresses (RFC 5737) lead nowhere.
_NOWHERE = {"address": "192.0.2.1:7443", "host_id": "h", "url": "https://192.0.2.1", "enrolled": 0}


@dataclass(frozen=True, slots=True)
class Kept:
    """A run that ended, and what it left for the collector."""

    world: World
    outcome: Outcome
    requests: list[telemetry_pb2.PutBatchRequest]
    held: bytes

    @property
    def canary(self) -> bytes:
        """The secret, unique to this run."""
        return f"canary{self.world.token}".encode()


@pytest.fixture(scope="module")
def kept(guard: None) -> Iterator[Kept]:
    """One guarded install with a secret in URL, environment and all the package starts, on an enrolled host."""
    if _PLACE.folder.exists():
        pytest.fail(f"{_PLACE.folder} exists: this host is enrolled, or a test left it behind")
    _PLACE.make()
    _PLACE.enrolment.write_text(json.dumps(_NOWHERE))
    try:
        with World([_PACKAGE]) as world:
            canary = f"canary{world.token}"
            report = world.folder / "report.json"
            extra = ["--extra-index-url", world.index.url.replace("://", f"://ann:{canary}@")]
            command = guarded([*world.install("loose-lips"), *extra], report)
            outcome = run(command, world.environment() | {"TWINE_PASSWORD": canary}, world.folder, report)
            yield Kept(world, outcome, *_spooled())
    finally:
        _gone(_uplinks)
        shutil.rmtree(_PLACE.folder)


def _spooled() -> tuple[list[telemetry_pb2.PutBatchRequest], bytes]:
    held = b"".join(path.read_bytes() for path in sorted(_PLACE.folder.iterdir()) if path.is_file())
    spool = Spool(_PLACE.spool)
    waiting = spool.waiting(set(), 1000, 1 << 30)
    spool.close()
    requests = [telemetry_pb2.PutBatchRequest.FromString(each.message) for each in waiting]
    packed = b"".join(zstandard.decompress(each.payload) for each in requests if each.payload)
    return requests, held + packed + b"".join(each.message for each in waiting)


def _uplinks() -> list[psutil.Process]:
    wanted = ["-P", "-m", "pratique", "uplink", "--drain"]
    return [each for each in psutil.process_iter(["cmdline"]) if (each.info["cmdline"] or [])[1:] == wanted]


def _gone(left: object) -> None:
    """The host has no certificate here, so an uplink that was started ends at once."""
    deadline = time.monotonic() + 20
    while callable(left) and left():
        assert time.monotonic() < deadline, "an uplink was left behind"
        time.sleep(0.1)


def test_what_the_run_did_waits_for_the_collector(kept: Kept) -> None:
    """The positive control: report, findings, packages and events are there, as the report tells them."""
    report = kept.outcome.report
    assert report is not None
    head = next(each for each in kept.requests if each.HasField("run"))
    events = [
        row
        for each in kept.requests
        if each.payload
        for row in columns.decode(each.payload, each.records, each.raw_size).rows()
    ]

    assert head.run.id == report["run"]["id"]
    assert [each.id for request in kept.requests for each in request.findings] == [
        each["id"] for each in report["findings"]
    ]
    assert [each.purl for request in kept.requests for each in request.packages] == [
        each["purl"] for each in report["packages"]
    ]
    assert head.run.batches == len(kept.requests)
    assert head.run.records == len(events) > 10
    assert any(row.argv and "--password" in " ".join(row.argv) for row in events)


def test_the_run_is_what_it_is_without_telemetry(kept: Kept) -> None:
    """Enrolment changes neither the status nor what people see."""
    assert kept.outcome.status == 3
    assert "not kept for the collector" not in kept.outcome.err


def test_no_byte_of_the_secret_waits(kept: Kept) -> None:
    """Neither in the spool's files nor inside what is packed there."""
    assert kept.canary not in kept.held
    assert b"loose-lips" in kept.held
