"""`pratique telemetry`: see exactly what is sent, and how it stands with the collector."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pratique.cli.enroll import needed
from pratique.errors import UsageError
from pratique.telemetry.place import Place

if TYPE_CHECKING:
    from pratique.telemetry.spool import Waiting

_WINDOW = 8 << 20


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `pratique telemetry preview|status`."""
    parser = subparsers.add_parser("telemetry", help="show what is sent to the collector, and what waits")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    preview = verbs.add_parser("preview", help="print what would be sent, decoded from the very bytes")
    preview.add_argument(
        "--trace", metavar="TRACE", help="of a run recorded with `pratique run --trace TRACE`"
    )
    verbs.add_parser("status", help="say where this host is enrolled, and what waits")


def run(args: argparse.Namespace) -> int:
    """Print it; 0."""
    needed()
    return {"preview": _preview, "status": _status}[args.verb](args)


def _preview(args: argparse.Namespace) -> int:
    from pratique.telemetry import preview  # noqa: PLC0415 -- `--help` needs none of it

    place = Place.here()
    waiting = _of_trace(args.trace) if args.trace else _waits(place) or _of_last_run()
    if not place.enrolled():
        print("pratique: this host is not enrolled: nothing is sent, this is what would be", file=sys.stderr)
    for text in preview.as_json(waiting):
        print(text)
    return 0


def _waits(place: Place) -> "Sequence[Waiting]":
    from pratique.telemetry.spool import Spool  # noqa: PLC0415

    if not place.spool.exists():
        return ()
    spool = Spool(place.spool)
    try:
        return spool.waiting(set(), spool.load().batches, _WINDOW)
    finally:
        spool.close()


def _of_last_run() -> "Sequence[Waiting]":
    """The report part of the newest run: its events are not kept once they are sent."""
    from pratique.runs.store import Store  # noqa: PLC0415
    from pratique.telemetry import batches  # noqa: PLC0415

    print(
        "pratique: nothing waits; this is the newest run without its events (--trace shows them)",
        file=sys.stderr,
    )
    return batches.of_run(Store().last(), ())


def _of_trace(path: str) -> "Sequence[Waiting]":
    """What the recorded run would send: through the same code, from the events as they were recorded."""
    from pratique import managers  # noqa: PLC0415
    from pratique.policy import cache, sources  # noqa: PLC0415
    from pratique.runs import report, trace  # noqa: PLC0415
    from pratique.telemetry import batches  # noqa: PLC0415

    recorded = trace.read(path)
    policy = cache.load(sources.Request(home="/nonexistent", profile=recorded.header["profile"]))
    summary, ending = trace.replay(recorded, policy, managers.registry())
    return batches.of_run(report.build(summary, ending), recorded.items)


def _status(_: argparse.Namespace) -> int:
    from pratique.telemetry import identity, link, poke  # noqa: PLC0415
    from pratique.telemetry.spool import Spool  # noqa: PLC0415

    place = Place.here()
    if not place.enrolled():
        raise UsageError("this host is not enrolled: nothing is sent", "pratique enroll URL --token TOKEN")
    enrolment = link.Enrolment.load(place)
    held = identity.load(place.identity)
    spool = Spool(place.spool)
    load = spool.load()
    spool.close()
    print(f"enrolled     {enrolment.host_id} at {enrolment.address}")
    print(f"certificate  until {_moment(held.until)}, renewed from {_moment(held.renew_at)} on")
    print(f"uplink       {'running' if poke.poke(place) else 'not running (the next run starts one)'}")
    oldest = f", the oldest since {_moment(load.oldest)}" if load.oldest else ""
    print(f"waiting      {load.batches} batches, {load.bytes} bytes{oldest}")
    if load.aside:
        print(f"set aside    {load.aside} batches that the collector refused")
    return 0


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="minutes").replace("+00:00", "Z")
