"""`pratique daemon`: guard every install on this host, in the foreground."""

import argparse
import os

from pratique.errors import GuardError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare its options."""
    parser = subparsers.add_parser(
        "daemon", help="guard every install on this host", description="SIGHUP: read the policy again."
    )
    parser.add_argument(
        "--config", metavar="FILE", help="whom to guard (default: /etc/pratique/daemon/daemon.toml)"
    )
    parser.add_argument(
        "--only-user",
        metavar="NAME",
        action="append",
        help="guard only this user's processes (again for more); default: everybody's",
    )


def run(args: argparse.Namespace) -> int:
    """Guard until a signal; 0."""
    if os.geteuid() != 0:
        raise GuardError("the daemon needs root", "run it as root, or install the service")
    from pratique.daemon import config, places  # noqa: PLC0415 (`--help` needs none of it)
    from pratique.daemon.service import Service  # noqa: PLC0415

    settings = config.load(args.config or places.CONFIG)
    if args.only_user:
        settings = settings.model_copy(update={"only_users": tuple(args.only_user)})
    return Service(places.default(), settings).serve()
