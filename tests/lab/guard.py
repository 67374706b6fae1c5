"""Starting commands as a user would, with the guard and without, and keeping all that can be seen of it."""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.residue import MARK, marked

PRATIQUE = Path(sys.executable).with_name("pratique")
_LIMIT = 60.0
_PATIENCE = 3.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished command: what it returned, wrote and took, and who of it was still alive afterwards."""

    status: int
    out: str
    err: str
    seconds: float
    survivors: tuple[int, ...]
    survivor_lines: tuple[str, ...] = ()
    """Their command lines."""
    report: dict[str, Any] | None = None

    @property
    def findings(self) -> list[dict[str, Any]]:
        """The report's findings; none without a report."""
        return list(self.report["findings"]) if self.report else []


def guarded(command: Sequence[str], report: Path | None = None, *options: str) -> list[str]:
    """Put `command` behind `pratique run`."""
    reporting = ["--report", str(report)] if report else []
    return [str(PRATIQUE), "run", *reporting, *options, "--", *command]


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    cwd: Path,
    report: Path | None = None,
    limit: float = _LIMIT,
    patience: float = _PATIENCE,
) -> Outcome:
    """Run to the end or to the hard limit; end what it left, after counting it."""
    mark = secrets.token_hex(8)
    started = time.monotonic()
    process = start(command, environment, cwd, mark)
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        end(mark)
        out, err = process.communicate()
        err += f"\n[lab] still running after {limit:.0f} s: killed"
    seconds = time.monotonic() - started
    left = tuple(settled(mark, patience))
    lines = tuple(_command_line(pid) for pid in left)
    end(mark)
    return Outcome(process.returncode, out, err, seconds, left, lines, read_report(report))


def start(
    command: Sequence[str], environment: Mapping[str, str], cwd: Path, mark: str, **more: Any
) -> subprocess.Popen[str]:
    """Start a command of the lab in its own session, marked so that all of it can be found again."""
    pipes: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    return subprocess.Popen(
        command,
        env={**environment, MARK: mark},
        cwd=cwd,
        text=True,
        errors="surrogateescape",
        start_new_session=True,
        **(pipes | more),
    )


def settled(mark: str, patience: float = _PATIENCE) -> list[int]:
    """Who carries the mark still, once those that were about to exit have done so."""
    deadline = time.monotonic() + patience
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def end(mark: str) -> None:
    """End, by pid, every process that carries the mark."""
    deadline = time.monotonic() + 5
    while (left := marked(mark)) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def read_report(report: Path | None) -> dict[str, Any] | None:
    """Read the report, if one was asked for and written."""
    if report is None or not report.exists():
        return None
    loaded: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return loaded


def _command_line(pid: int) -> str:
    try:
        return Path("/proc", str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
