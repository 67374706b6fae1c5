"""`make bench`: what the guard costs, each execution paired with a bare one beside it in time."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from bench.paired import collect, rounds
from bench.table import Result, host, write
from bench.workloads import Workload, install, start

ROOT = Path(__file__).parents[2]
GUARD = (str(Path(sys.executable).with_name("pratique")), "run", "--quiet", "--")
PEERS = {
    "strace": ("strace", "-f", "--seccomp-bpf", "-o", os.devnull, "-e", "trace=execve,openat,connect"),
    "bubblewrap": ("bwrap", "--dev-bind", "/", "/", "--unshare-all", "--share-net"),
}


def main() -> int:
    """Measure, print each row as it is known, keep the rounds."""
    args = _arguments()
    if os.geteuid():
        print("bench: the guard needs root here: sudo make bench", file=sys.stderr)
        return 2
    facts = host()
    results = [
        _measured(workload, under, prefix, args.rounds)
        for workload in (start(), install(_place()))
        for under, prefix in _observers(peers=args.peers).items()
    ]
    facts["load_after"] = os.getloadavg()[0]
    print(f"bench: rounds kept in {write(ROOT / 'docs', facts, results).relative_to(ROOT)}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--rounds", type=int, default=41, help="no more than this many for each row")
    parser.add_argument("--peers", action="store_true", help="also strace and bubblewrap, where installed")
    return parser.parse_args()


def _place() -> Path:
    place = ROOT / ".cache" / "bench"
    place.mkdir(parents=True, exist_ok=True)
    return place


def _observers(*, peers: bool) -> dict[str, tuple[str, ...]]:
    found = {name: prefix for name, prefix in PEERS.items() if peers and shutil.which(prefix[0])}
    return {"pratique run": GUARD, **found}


def _measured(workload: Workload, under: str, prefix: tuple[str, ...], limit: int) -> Result:
    pairs = rounds(lambda: workload.cost(()), lambda: workload.cost(prefix))
    result = Result(workload, under, collect(pairs, workload.values, workload.precision, limit))
    print(result.line(), end="", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
