"""`pratique approve PURL`: trust a package from now on: its first runs are watched no more."""

import argparse


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare its argument."""
    parser = subparsers.add_parser("approve", help="trust a package's first runs from now on")
    parser.add_argument("purl", metavar="PURL", help="the package, with its version: pkg:pypi/rich@13.7.0")


def run(args: argparse.Namespace) -> int:
    """Tell the daemon; 0."""
    from pratique.daemon import client  # noqa: PLC0415 (`--help` needs none of it)

    client.ask("approve", purl=args.purl)
    return 0
