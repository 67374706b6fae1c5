"""`pratique-server`: words to calls, errors to one line and a status; one module per sub-command.

Each is a module of this package with `add_parser(subparsers)` and `run(args) -> int`.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from pratique_server import __version__
from pratique_server.errors import CollectorError

COMMANDS = ("serve", "token", "user", "host", "policy", "export", "backup", "hunt")
_FAILED, _INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command; 0, 2 when what was asked cannot be done."""
    args = _parser().parse_args(argv)
    try:
        status: int = import_module(f"pratique_server.cli.{args.sub_command}").run(args)
    except CollectorError as error:
        print(f"pratique-server: {_one_line(str(error))}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    return status


def entry() -> NoReturn:
    """The console script."""
    sys.exit(main())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pratique-server",
        description="Takes in what guarded hosts saw, stores it, and tells hosts what was decided.",
    )
    parser.add_argument("--version", action="version", version=f"pratique-server {__version__}")
    subparsers = parser.add_subparsers(dest="sub_command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(f"pratique_server.cli.{name}").add_parser(subparsers)
    return parser


def _one_line(text: str) -> str:
    """Escape what could move the cursor or begin a line: names may come from hostile code."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text)
