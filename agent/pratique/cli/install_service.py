"""`pratique install-service`: have systemd start the daemon."""

import argparse
import os
import sys
from pathlib import Path

from pratique.errors import UsageError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare its options."""
    parser = subparsers.add_parser("install-service", help="have systemd start the daemon")
    parser.add_argument("--no-start", action="store_true", help="write the unit, start nothing (images)")
    parser.add_argument("--folder", metavar="DIR", help="where units are (default: /etc/systemd/system)")


def run(args: argparse.Namespace) -> int:
    """Write the unit, enable and start it; 0."""
    from pratique.daemon import systemd  # noqa: PLC0415 (`--help` needs none of it)

    folder = Path(args.folder) if args.folder else systemd.FOLDER
    if os.geteuid() != 0 and not args.folder:
        raise UsageError("a service is installed by root", "sudo pratique install-service")
    program = Path(sys.argv[0]).absolute()
    place = systemd.install(str(program), folder, start=not args.no_start)
    print(f"installed {place}")
    return 0
