"""What a run does once it is over on an enrolled host: its batches into the spool, and a poke to the uplink.

Imported while the guarded command runs, never before it; grpc is not among what it imports.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pratique.model import Event
from pratique.runs.run import Settled
from pratique.telemetry import batches, poke
from pratique.telemetry.place import Place
from pratique.telemetry.spool import Reason, Spool, Waiting


def hand_over(
    place: Place, report: Mapping[str, Any], recorded: Iterable[Event | Settled], unrecorded: int = 0
) -> str | None:
    """Keep a run for the collector and wake the uplink; None, or in a few words what could not be kept."""
    return keep(place, batches.of_run(report, recorded), report["run"]["id"], unrecorded)


def keep(place: Place, made: Sequence[Waiting], run: str, unrecorded: int) -> str | None:
    """The same for batches that are made already."""
    try:
        spool = Spool(place.spool)
    except (OSError, sqlite3.Error) as error:
        return f"this run was not kept for the collector: {error}"
    try:
        said = spool.damage
        if left_out := spool.put(made):
            said = (
                f"the spool is full: {left_out} of {len(made)} batches of this run were dropped and counted"
            )
        if unrecorded:
            spool.lost(run, Reason.WRITE_FAILED, 0, unrecorded, 0)
    except (OSError, sqlite3.Error) as error:
        return f"this run was not kept for the collector: {error}"
    finally:
        spool.close()
    poke.wake(place)
    return said
