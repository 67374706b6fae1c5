"""`pratique doctor` on this host: what it prints was tried, and every row keeps what the code claims for it."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from lab.guard import PRATIQUE
from lab.refusing import refusing
from lab.residue import left_since, snapshot
from pratique.backends.coverage import ROWS


@pytest.fixture(scope="module")
def told(guard: None) -> Iterator[dict[str, Any]]:
    """What it says, as data; afterwards nothing of its attempts is left on the host."""
    before = snapshot()
    done = subprocess.run([str(PRATIQUE), "doctor", "--json"], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    yield json.loads(done.stdout)
    assert left_since(before) == []


def test_every_row_keeps_its_claim(told: dict[str, Any]) -> None:
    """Here, where all mechanisms work, each attempt went as claimed, no better and no worse."""
    claimed = {(row.act.word, row.when): row.claim.word for row in ROWS}

    assert {(row["act"], row["when"]): row["level"] for row in told["coverage"]} == claimed


def test_every_row_names_its_proof(told: dict[str, Any]) -> None:
    """A row without a scenario would be a claim."""
    assert [row["scenario"] for row in told["coverage"]] == [f"attempt:{row.id}" for row in ROWS]


def test_nothing_is_left_over(told: dict[str, Any]) -> None:
    """No guardian without its agent, no pin of ours."""
    assert told["left_over"] == []
    assert told["guarded"] is True


def test_where_nothing_can_guard(guard: None) -> None:
    """It claims nothing, says what is missing and the mend, and gives 125."""
    done = subprocess.run(
        refusing("seccomp", refusing("bpf", [str(PRATIQUE), "doctor"])),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 125
    assert "guarded   NO" in done.stdout
    assert "mend: " in done.stdout
    assert "enforced" not in done.stdout
