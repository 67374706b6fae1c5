"""`make fuzz`: every parser of bytes from the wire, for so many seconds of processor time each.

A property joins by `@pytest.mark.wire("PARSER")`. The first input that breaks one is printed, and ends everything.
"""

import argparse
import io
import os
import resource
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from itertools import cycle

import pytest

EXAMPLES = 10_000
"""Of one property in one round: Hypothesis remembers what it tried, so a round may not last for ever."""
PLACES = ["tests/unit", "tests/server"]


@dataclass(slots=True)
class Found:
    """A pytest plugin: the properties of each parser."""

    parsers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Group what carries the mark."""
        for item in items:
            for mark in item.iter_markers("wire"):
                self.parsers[mark.args[0]].append(item.nodeid)


def main() -> int:
    """Try them all; 1 at the first input that breaks one, which pytest has shown by then."""
    options = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    options.add_argument("--seconds", type=float, default=600.0, help="of processor time for each parser")
    options.add_argument("parsers", nargs="*", help="only these")
    asked = options.parse_args()
    found = Found()
    with redirect_stdout(io.StringIO()) as said:
        status = pytest.main(["--collect-only", "-q", *PLACES], plugins=[found])
    if status:
        sys.exit(said.getvalue())
    if unknown := set(asked.parsers) - set(found.parsers):
        sys.exit(
            f"no such parser: {', '.join(sorted(unknown))}; there are {', '.join(sorted(found.parsers))}"
        )
    print("| parser | properties | rounds | CPU, s |\n| --- | ---: | ---: | ---: |", flush=True)
    return int(
        any(not _fuzz(name, found.parsers[name], asked.seconds) for name in asked.parsers or found.parsers)
    )


def _fuzz(name: str, properties: list[str], seconds: float) -> bool:
    began, rounds = _spent(), 0
    for each in cycle(properties):
        if rounds >= len(properties) and _spent() - began >= seconds:
            break
        if not _round(each):
            return False
        rounds += 1
    print(f"| {name} | {len(properties)} | {rounds} | {_spent() - began:.0f} |", flush=True)
    return True


def _round(one: str) -> bool:
    """One property, by a seed of its own; afterwards its files are gone."""
    seed = str(int.from_bytes(os.urandom(4)))
    with tempfile.TemporaryDirectory(prefix="pratique-fuzz-") as folder:
        places = ["--basetemp", f"{folder}/base", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--timeout", "0", "--hypothesis-seed", seed, *places, one],
            env={**os.environ, "PRATIQUE_FUZZ": str(EXAMPLES)},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)
    return done.returncode == 0


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
