"""`pratique replay`: put a recorded trace through the rules, without a kernel."""

import argparse
import os

from pratique.cli.report import add_format, show


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the options of DESIGN section 9."""
    parser = subparsers.add_parser("replay", help="put a recorded trace through the rules, without a kernel")
    parser.add_argument("trace", metavar="TRACE", help="what `pratique run --trace FILE` wrote")
    parser.add_argument(
        "--profile", choices=("observe", "standard", "strict"), help="which rules (default: the trace's)"
    )
    parser.add_argument("--policy", metavar="FILE", help="a policy file to trust for this replay")
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    """Print the report these rules give; the status `run` would have returned is in it."""
    from pratique import managers  # noqa: PLC0415 -- `--help` needs none of it
    from pratique.policy import cache, sources  # noqa: PLC0415
    from pratique.runs import report, trace  # noqa: PLC0415

    recorded = trace.read(args.trace)
    policy = cache.load(
        sources.Request(
            home=os.path.expanduser("~"),  # noqa: PTH111 -- wanted as text
            profile=args.profile or recorded.header["profile"],
            files=(args.policy,) if args.policy else (),
        )
    )
    summary, ending = trace.replay(recorded, policy, managers.registry())
    show(report.build(summary, ending), args.format)
    return 0
