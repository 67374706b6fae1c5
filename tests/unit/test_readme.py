"""What README.md shows is true: its commands run or parse, its links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pratique import cli
from pratique.backends.coverage import ROWS
from pratique.words import Level
from readme import commands

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


COUNTS = re.compile(
    r"(\d+) of (\d+) kinds of act enforced here, (\d+) killed before the act,"
    r"\s+(\d+) killed after the act, (\d+) only seen"
)


def test_the_coverage_line_counts_the_rows() -> None:
    """The block of the first screen is a print of the demo; a new row must not leave its numbers behind."""
    shown = COUNTS.search((ROOT / "README.md").read_text())
    levels = [row.claim for row in ROWS]
    counted = [levels.count(level) for level in (Level.KILLED_BEFORE, Level.KILLED_AFTER, Level.SEEN)]

    assert shown is not None
    assert [int(each) for each in shown.groups()] == [levels.count(Level.ENFORCED), len(levels), *counted]


def _environment() -> dict[str, str]:
    """The reader's: our scripts on the PATH, and no trace of a make that started us."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    path = f"{Path(sys.executable).parent}:{kept['PATH']}"
    return {**kept, "PATH": path, "PYTHONPATH": str(ROOT / "agent")}


def _sh(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=ROOT,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("command", commands(root=False))
def test_commands_run(command: str) -> None:
    """A command that needs no root does what it says, here."""
    done = _sh(command)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", commands(root=True))
def test_commands_that_need_root_parse(command: str) -> None:
    """A command that needs root is at least one that our programs understand (tests/root runs them)."""
    program, *words = shlex.split(command)
    if program == "pratique":
        assert cli.parse(words).sub_command == words[0]
    elif program == "make":
        assert _sh(f"make --dry-run {shlex.join(words)}").returncode == 0
    else:
        assert program == "export"


def test_the_first_screen_shows_how_to_begin() -> None:
    """A reader sees what it is, what it prints, and one command to type, without scrolling."""
    first = (ROOT / "README.md").read_text().splitlines()[:40]

    assert "make demo" in first
    assert any("BLOCKED" in line for line in first)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """No page points at a file that is not there."""
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []
