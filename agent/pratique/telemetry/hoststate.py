"""What a host says of itself: versions, coverage as last reported, and how full its spool is."""

import platform
import time
from collections.abc import Iterable, Mapping
from typing import Any

from pratique import __version__
from pratique.api.v1 import run_pb2, telemetry_pb2
from pratique.api.wire import PROTOCOL
from pratique.errors import PratiqueError
from pratique.runs.store import Store
from pratique.telemetry import messages
from pratique.telemetry.place import Place
from pratique.telemetry.spool import Load, Missing


def request(
    place: Place, load: Load, gaps: Iterable[Missing], held: Mapping[str, int]
) -> telemetry_pb2.PutHostRequest:
    """The message."""
    backend, rows = _last_known(place)
    host = telemetry_pb2.Host(
        name=platform.node(),
        versions={
            "pratique": __version__,
            "python": platform.python_version(),
            "kernel": platform.release(),
        },
        backend=backend,
        coverage=rows,
        observed_us=time.time_ns() // 1000,
        spool_bytes=load.bytes,
        spool_batches=load.batches,
        oldest_us=round((load.oldest or 0) * 1e6),
        gaps=[_gap(gap) for gap in gaps],
        holds=held,
    )
    return telemetry_pb2.PutHostRequest(protocol=PROTOCOL, host=host)


def _gap(gap: Missing) -> telemetry_pb2.Gap:
    reason: Any = int(gap.reason)
    return telemetry_pb2.Gap(
        id=gap.id,
        run_id=gap.run,
        reason=reason,
        batches=gap.batches,
        records=gap.records,
        bytes=gap.bytes,
        since_us=round(gap.since * 1e6),
        until_us=round(gap.until * 1e6),
    )


def _last_known(place: Place) -> tuple[str, list[run_pb2.Coverage]]:
    """Backend and coverage of the newest report: proved on this boot, or on the last that had a run."""
    try:
        last = Store(place.state / "runs").last()
        return str(last["run"]["backend"]), [messages.coverage(row) for row in last["coverage"]]
    except (PratiqueError, OSError, LookupError, TypeError, ValueError):
        return "", []  # of another version, or damaged: the uplink says less and goes on
