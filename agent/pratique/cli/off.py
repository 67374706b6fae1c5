"""`pratique off -- COMMAND`: run something that the daemon does not guard. Recorded, for root and its group only."""

import argparse
import os

from pratique.errors import UsageError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare its argument."""
    parser = subparsers.add_parser("off", help="run one command that the daemon does not guard (recorded)")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run")


def run(args: argparse.Namespace) -> int:
    """Become the command, unguarded; its status."""
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise UsageError("no command to run", "usage: pratique off -- COMMAND [ARGUMENT ...]")
    from pratique.daemon import client  # noqa: PLC0415 (`--help` needs none of it)

    client.ask("off", argv=[word[:200] for word in command[:20]])
    try:
        os.execvp(command[0], command)  # noqa: S606 (it is the command)
    except OSError as error:
        raise UsageError(f"{command[0]}: {error.strerror}") from error
