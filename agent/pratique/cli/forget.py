"""`pratique forget PURL`: watch the first runs of a package again."""

import argparse


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare its argument."""
    parser = subparsers.add_parser("forget", help="watch a package's first runs again")
    parser.add_argument("purl", metavar="PURL", help="the package, with its version: pkg:pypi/rich@13.7.0")


def run(args: argparse.Namespace) -> int:
    """Tell the daemon; 0."""
    from pratique.daemon import client  # noqa: PLC0415 (`--help` needs none of it)

    client.ask("forget", purl=args.purl)
    return 0
