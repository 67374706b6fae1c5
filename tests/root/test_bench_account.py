"""What a benchmark calls CPU is the time of everything that the command started."""

from pathlib import Path

from bench.account import Account
from bench.paired import measure

_BURN = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"
_ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def test_cpu_of_what_nobody_waits_for_counts(tmp_path: Path) -> None:
    """A grandchild that was left alone is on the bill as much as the command itself."""
    waited = measure(["sh", "-c", f"sh -c '{_BURN}'"], _ENVIRONMENT, tmp_path)
    left = measure(
        ["sh", "-c", f"(setsid sh -c '{_BURN}; echo done > done') & while [ ! -s done ]; do sleep 0.1; done"],
        _ENVIRONMENT,
        tmp_path,
    )

    assert waited.cpu > 0.05
    assert left.cpu > 0.7 * waited.cpu


def test_an_account_starts_empty_and_leaves_nothing() -> None:
    """Nothing of the benchmark itself is billed, and its group is gone afterwards; so another can be opened."""
    with Account() as first:
        assert first.seconds() == 0.0

    with Account() as second:
        assert second.seconds() == 0.0
