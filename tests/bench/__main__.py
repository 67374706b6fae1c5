"""`make bench`: what the guard costs, each execution paired with a bare one beside it in time."""

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.npm import NATIVE, PLAIN, npm
from bench.paired import collect, rounds
from bench.storm import Bystander, Generator, Storm
from bench.table import Result, host, write
from bench.workloads import Measured, install, start

ROOT = Path(__file__).parents[2]
GUARD = (str(Path(sys.executable).with_name("pratique")), "run", "--quiet")
PEERS = {
    "strace": ("strace", "-f", "--seccomp-bpf", "-o", os.devnull, "-e", "trace=execve,openat,connect"),
    "bubblewrap": ("bwrap", "--dev-bind", "/", "/", "--unshare-all", "--share-net"),
}

# What stands beside a run: what it is called, and how much of what it does.
BYSTANDERS = {
    "work": ("arithmetic", "work", 200_000),
    "calls": ("empty system calls", "call", 2_000_000),
    "opens": ("opens", "open", 200_000),
    "execs": ("execs", "exec", 1_000),
}


def _bystander(said: str, kind: str, times: int, place: Path, *, build: bool) -> Bystander:
    beside = "a package's build" if build else "a run"
    return Bystander(f"{said} beside {beside}", Generator(place), kind, times, build)


WORKLOADS: dict[str, Callable[[Path], Measured]] = {
    "start": lambda _: start(),
    "install": install,
    "npm": lambda place: npm(place, PLAIN),
    "npm-native": lambda place: npm(place, NATIVE),
    "opens": lambda place: Storm("200,000 opens in a build", Generator(place), "open", 200_000),
    "opens-etc": lambda place: Storm(
        "200,000 opens in `/etc`, in a build", Generator(place), "open-etc", 200_000
    ),
    "execs": lambda place: Storm("20,000 execs in a build", Generator(place), "exec", 20_000),
    "connects": lambda place: Storm("20,000 connects in a build", Generator(place), "connect", 20_000),
    "connects-turn": lambda place: Storm(
        "20,000 connects by turns to two ports", Generator(place), "connect-turn", 20_000
    ),
    **{
        f"beside-{what}{'-build' * build}": partial(_bystander, said, kind, times, build=build)
        for build in (False, True)
        for what, (said, kind, times) in BYSTANDERS.items()
    },
}

ROOTLESS = "rootless"

# A tracer that stops at each call would take half an hour for a storm.
COMPARED = ("start", "install", "npm", "npm-native")


def main() -> int:
    """Measure, print each row as it is known, keep the rounds."""
    args = _arguments()
    facts = host()
    results = [
        _measured(WORKLOADS[name](_place()), under, prefix, args.rounds)
        for name in args.only or (COMPARED if args.backend == ROOTLESS else WORKLOADS)
        for under, prefix in _observers(args.backend, peers=args.peers and name in COMPARED).items()
    ]
    facts["load_after"] = os.getloadavg()[0]
    if args.only or args.backend == ROOTLESS:
        print("bench: not all rows were measured, so docs/benchmarks.md stays as it is")
    else:
        print(f"bench: rounds kept in {write(ROOT / 'docs', facts, results).relative_to(ROOT)}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--rounds", type=int, default=41, help="no more than this many for each row")
    parser.add_argument(
        "--only", choices=WORKLOADS, action="append", metavar="NAME", help=", ".join(WORKLOADS)
    )
    parser.add_argument(
        "--backend",
        choices=("hooks", ROOTLESS),
        default=ROOTLESS if os.geteuid() else "hooks",
        help="what guards (default: what can here)",
    )
    parser.add_argument("--peers", action="store_true", help="also strace and bubblewrap, where installed")
    return parser.parse_args()


def _place() -> Path:
    place = ROOT / ".cache" / "bench"
    place.mkdir(parents=True, exist_ok=True)
    return place


def _observers(backend: str, *, peers: bool) -> dict[str, tuple[str, ...]]:
    found = {name: prefix for name, prefix in PEERS.items() if peers and shutil.which(prefix[0])}
    return {f"pratique run, {backend}": (*GUARD, "--backend", backend, "--"), **found}


def _measured(workload: Measured, under: str, prefix: tuple[str, ...], limit: int) -> Result:
    pairs = rounds(lambda: workload.cost(()), lambda: workload.cost(prefix))
    result = Result(workload, under, collect(pairs, workload.values, workload.precision, limit))
    print(result.line(), end="", flush=True)
    for key, value in workload.tally().items():
        print(f"    {key}: {value:,}", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
