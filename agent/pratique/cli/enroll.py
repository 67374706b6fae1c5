"""`pratique enroll`: join a collector, or leave it."""

import argparse
import os
from importlib.util import find_spec

from pratique.errors import UsageError
from pratique.telemetry.place import Place


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the options of DESIGN section 9."""
    parser = subparsers.add_parser("enroll", help="join a collector; until then nothing leaves this host")
    parser.add_argument(
        "url", nargs="?", metavar="URL", help="of the collector's enrolment, https://HOST[:7444]"
    )
    parser.add_argument(
        "--token", metavar="T", help="join token (or $PRATIQUE_TOKEN: others see command lines)"
    )
    parser.add_argument("--name", help="what people shall call this host (default: its own name)")
    parser.add_argument("--force", action="store_true", help="join although this host belongs to a collector")
    parser.add_argument("--leave", action="store_true", help="leave the collector and forget what it pushed")


def run(args: argparse.Namespace) -> int:
    """Join or leave; 0."""
    place = Place.here()
    if args.leave:
        return _leave(place)
    token = args.token or os.environ.get("PRATIQUE_TOKEN")
    if not args.url or not token:
        raise UsageError("a collector and a token are needed", "pratique enroll URL --token TOKEN")
    if place.enrolled() and not args.force:
        raise UsageError("this host is enrolled already", "--force joins anew, --leave leaves")
    needed()
    from pratique.telemetry import enrolling, poke  # noqa: PLC0415 -- `--help` needs none of it

    joined = enrolling.enrol(place, args.url, token, args.name)
    print(f"enrolled as {joined.host_id} at {joined.address}")
    print(
        "Runs are sent from now on; pratique telemetry preview shows what, pratique enroll --leave ends it."
    )
    poke.wake(place)
    return 0


def needed() -> None:
    """`UsageError` where the libraries of the wire are not installed; to be called before any is imported."""
    # Said to gRPC before it is loaded: this process never forks, and its own log is not for people.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Looked for and not loaded: an uplink stays, and should hold only what it uses.
    missing = [name for name in ("cryptography", "grpc", "OpenSSL", "zstandard") if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{missing[0]} is not installed", "install pratique with its extra: pratique[uplink]"
        )


def _leave(place: Place) -> int:
    if not place.enrolled():
        raise UsageError("this host is not enrolled", "there is nothing to leave")
    needed()
    from pratique.telemetry import enrolling  # noqa: PLC0415

    enrolling.leave(place)
    print("left: nothing leaves this host any more; what was not sent stays in the spool")
    return 0
