"""Paired measurement: a command under guard against the same command bare, beside it in time."""

import random
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.account import account

LEAST_ROUNDS = 7
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one execution; CPU is that of the command, of its guard, and of all their descendants."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """Median of the rounds, with the 95 % bootstrap interval of that median."""

    median: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """How far the interval reaches to either side, on average."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, slots=True)
class Round:
    """One bare and one guarded execution, one right after the other."""

    bare: Cost
    guarded: Cost


def measure(command: Sequence[str], environment: dict[str, str], folder: Path) -> Cost:
    """Run it to its end; a command that fails has no cost worth quoting."""
    with account() as billed:
        began = time.monotonic()
        done = subprocess.run(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=300,
            check=False,
            preexec_fn=billed.enter,
        )
        cost = Cost(time.monotonic() - began, billed.seconds())
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(command)} ended with {done.returncode}:\n{done.stderr.decode()}")
    return cost


def rounds(bare: Callable[[], Cost], guarded: Callable[[], Cost]) -> Iterator[Round]:
    """Endless pairs; which of the two goes first alternates, so drift and caches favour neither."""
    while True:
        first = bare()
        yield Round(first, guarded())
        second = guarded()
        yield Round(bare(), second)


def collect(
    source: Iterator[Round], values: Callable[[Round], Sequence[float]], precision: float, limit: int
) -> list[Round]:
    """Rounds until the interval of every value is as narrow as `precision`, or `limit` is reached."""
    done: list[Round] = []
    for one in source:
        done.append(one)
        columns = zip(*(values(round_) for round_ in done), strict=True)
        if len(done) >= limit:
            break
        if len(done) >= LEAST_ROUNDS and all(estimate(column).half_width <= precision for column in columns):
            break
    return done


def estimate(values: Sequence[float]) -> Estimate:
    """Percentile bootstrap of the median; seeded, so the same rounds give the same interval."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    low, high = medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES) - 1]
    return Estimate(statistics.median(values), low, high)
