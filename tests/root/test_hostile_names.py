"""Telemetry is hostile: names that move the cursor, forge CI commands or break JSON; sizes at the limit."""

import json
import re
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.guard import PRATIQUE, Outcome, guarded, run
from lab.world import World

_PACKAGES = Path(__file__).parent / "packages"
_FORGED = re.compile(r"^\s*(::|##\[)")
_BIDI = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200B)}


@pytest.fixture(scope="module")
def loud(guard: None) -> Iterator[tuple[World, Outcome, Path]]:
    """One guarded install of `loud-names`, whose build executes files with hostile names."""
    with World([_PACKAGES / "loud-names-1.0.0"]) as world:
        report = world.folder / "report.json"
        outcome = run(guarded(world.install("loud-names"), report), world.environment(), world.folder, report)
        yield world, outcome, report


def test_hostile_names_are_found(loud: tuple[World, Outcome, Path]) -> None:
    """Each hidden file with a hostile name, and a read by the longest path there is, is in the report."""
    _, outcome, _ = loud
    executed = [finding for finding in outcome.findings if finding["act"] == "exec"]

    assert outcome.status == 3
    assert sum(finding["count"] for finding in executed) >= 7
    assert [finding for finding in outcome.findings if finding["act"] == "file.read"]


def test_terminal_output_cannot_be_forged(loud: tuple[World, Outcome, Path]) -> None:
    """No line on the terminal begins like a CI command; no control or direction character gets through."""
    _, outcome, _ = loud
    lines = outcome.err.splitlines()

    assert [line for line in lines if _FORGED.match(line)] == []
    assert not {char for char in outcome.err if char in _BIDI or (ord(char) < 32 and char != "\n")}
    assert "\x7f" not in outcome.err


def test_report_is_strict_json(loud: tuple[World, Outcome, Path]) -> None:
    """The report parses strictly as UTF-8 JSON, whatever the names were."""
    _, _, report = loud
    loaded = json.loads(report.read_bytes().decode("utf-8"))

    assert loaded["schema"] == "pratique.report/v1"


def test_report_command_cannot_be_forged(loud: tuple[World, Outcome, Path]) -> None:
    """`pratique report --last` escapes the same names when it prints the run later."""
    world, _, _ = loud
    done = subprocess.run(
        [str(PRATIQUE), "report", "--last"],
        capture_output=True,
        env=world.environment(),
        timeout=30,
        check=False,
    )
    said = done.stdout.decode("utf-8")

    assert done.returncode == 0
    assert "loud-names" in said
    assert [line for line in said.splitlines() if _FORGED.match(line)] == []
    assert "\x1b" not in said


def test_four_megabytes_of_arguments(guard: None, world: World) -> None:
    """A command line at the system's limit neither breaks the guard nor hides the install behind it."""
    report = world.folder / "report.json"
    padding = ["x" * 100_000] * 40
    install = " ".join(world.install("-q", "poll-keeper"))
    command = guarded(["sh", "-c", f"echo $#; exec {install}", "sh", *padding], report)
    limits = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, limits[1]))
    try:
        outcome = run(command, world.environment(), world.folder, report)
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, limits)

    assert outcome.out.startswith("40\n")
    assert outcome.status == 3
    assert b"GET /user" not in world.sink.received()


def test_longest_working_folder(guard: None, world: World) -> None:
    """Started in a folder whose path is near the 4095-byte limit, an install is still guarded."""
    folder = world.folder
    while len(str(folder)) < 3800:
        folder = folder / ("d" * min(240, 3850 - len(str(folder))))
    folder.mkdir(parents=True)
    outcome = run(guarded(world.install("-q", "poll-keeper")), world.environment(), folder)

    assert outcome.status == 3
    assert b"GET /user" not in world.sink.received()
