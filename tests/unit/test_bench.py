"""The benchmark's arithmetic: a wrong ratio would be believed."""

import itertools
from collections.abc import Iterator
from pathlib import Path

from bench.paired import LEAST_ROUNDS, Cost, Estimate, Round, collect, estimate, rounds
from bench.table import Result, write
from bench.workloads import Workload


def _ratio(one: Round) -> tuple[float, float]:
    return one.guarded.wall / one.bare.wall, one.guarded.cpu / one.bare.cpu


def _source(*ratios: float) -> Iterator[Round]:
    return (Round(Cost(2.0, 1.0), Cost(2.0 * ratio, ratio)) for ratio in itertools.cycle(ratios))


def test_which_goes_first_alternates() -> None:
    """A machine that slows down over time must not slow one side only."""
    order: list[str] = []

    def note(which: str) -> Cost:
        order.append(which)
        return Cost(1, 1)

    list(itertools.islice(rounds(lambda: note("bare"), lambda: note("guarded")), 4))

    assert order == ["bare", "guarded", "guarded", "bare", "bare", "guarded", "guarded", "bare"]


def test_steady_rounds_end_early() -> None:
    """Enough is enough: identical ratios need no forty rounds."""
    assert len(collect(_source(1.02), _ratio, 0.03, 41)) == LEAST_ROUNDS


def test_noisy_rounds_end_at_the_limit() -> None:
    """A noisy machine gets a wide interval, not an endless benchmark."""
    done = collect(_source(0.5, 1.5), _ratio, 0.03, 11)

    assert len(done) == 11
    assert estimate([_ratio(one)[0] for one in done]).half_width > 0.03


def test_the_interval_holds_the_median_and_is_repeatable() -> None:
    """The same rounds give the same interval, with the median inside."""
    values = [1.0, 1.01, 1.02, 1.05, 0.99, 1.03, 1.04]

    found = estimate(values)

    assert found == estimate(values)
    assert found.low <= found.median == 1.02 <= found.high


def test_the_page_gets_the_table_and_the_file_every_round(tmp_path: Path) -> None:
    """What the page says can be recomputed from the file beside it."""
    (tmp_path / "benchmarks.md").write_text("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n")
    workload = Workload("install", ["true"], lambda: None, _ratio, "ratio", 0.03)
    result = Result(workload, "pratique run", list(itertools.islice(_source(1.02), 7)))
    facts: dict[str, object] = {
        "time": "2026-01-02T03:04:05+00:00",
        "kernel": "6.1",
        "load": 0.1,
        "load_after": 0.2,
    }
    facts |= {"pratique": "0", "machine": "x", "cores": 2, "python": "3"}

    kept = write(tmp_path, facts, [result])

    page = (tmp_path / "benchmarks.md").read_text()
    assert "| install | pratique run | 1.020× (1.020 to 1.020) | 1.020× (1.020 to 1.020) | 7 |" in page
    assert page.startswith("before\n")
    assert page.endswith("<!-- /bench -->\nafter\n")
    assert "old" not in page
    assert kept.read_text().count('"bare"') == 7


def test_half_width_is_half_the_interval() -> None:
    """The stopping rule is about half the interval."""
    assert Estimate(1.0, 0.5, 1.5).half_width == 0.5
