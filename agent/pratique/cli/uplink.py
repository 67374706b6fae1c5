"""`pratique uplink`: the process that sends what waits; a service, or started by a run that ended."""

import argparse
import signal
import sys
from datetime import UTC, datetime

from pratique.cli.enroll import needed
from pratique.telemetry.place import Place


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the options."""
    parser = subparsers.add_parser("uplink", help="send what waits to the collector, and hear what it says")
    parser.add_argument(
        "--drain", action="store_true", help="end once everything is sent, or nothing could be for 10 minutes"
    )


def run(args: argparse.Namespace) -> int:
    """Run until told to stop; 0 also when another uplink does the work already."""
    needed()
    from pratique.telemetry import doorbell, link, uplink  # noqa: PLC0415 -- `--help` needs none of it

    place = Place.here()
    link.Enrolment.load(place)
    line = uplink.Uplink(place, _say, drain=args.drain)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: line.stop())
    try:
        line.run()
    except doorbell.AlreadyRunningError as error:
        if not args.drain:
            _say(str(error))
    return 0


def _say(text: str) -> None:
    """One line with the time; what comes from outside may not look like one of ours."""
    plain = "".join(char if char.isprintable() else "?" for char in text)
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    print(f"{now} pratique uplink: {plain}", file=sys.stderr, flush=True)
