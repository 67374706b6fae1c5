"""`make storm`: one real theft among 200,000 opens and 20,000 forks; what the guard found, counted, lost and took."""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.storm import Figures, compiled
from lab.guard import end, guarded, read_report, start
from lab.world import World

PACKAGE = Path(__file__).parents[1] / "root" / "packages" / "storm-front-1.0.0"
"""Its build storms, and reads a decoy in the midst of it."""
_FORKS = 20_000
_LIMIT = 120


@dataclass(frozen=True, slots=True)
class Passed:
    """A storm that passed: what it did itself, what was reported of it, what the agent took."""

    status: int
    figures: dict[str, Figures]
    """What each kind of act did, by its own account."""
    report: dict[str, Any]
    growth: int
    """KiB that the agent grew by while the build was under way."""
    seconds: float
    """From the storm's first act to the end of the command."""

    @property
    def done(self) -> dict[str, int]:
        """How many of each kind."""
        return {kind: one.done for kind, one in self.figures.items()}

    @property
    def counts(self) -> dict[str, int]:
        """The report's totals."""
        return dict(self.report["counts"])

    @property
    def thefts(self) -> list[dict[str, Any]]:
        """The findings about the decoy that its build tries to read in the midst of it."""
        return [finding for finding in self.report["findings"] if "secrets.npm" in finding["groups"]]


def passed(world: World, program: Path, size: int, name: str) -> Passed:
    """Install it with storms of this size; the command's home is new to it."""
    report = world.folder / f"{name}.json"
    started = world.folder / "marks" / "started"
    started.unlink(missing_ok=True)
    environment = {**world.environment(), "STORM": f"{program}:{size}"}
    command = [*world.install("storm-front"), "--target", str(world.folder / name)]
    mark = f"theft-{name}-{world.token}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = start(guarded(command, report), environment, world.folder, mark, **quiet)
    try:
        growth, seconds = _growth(process, started)
        status = process.wait(timeout=_LIMIT)
    finally:
        end(mark)
    told = read_report(report)
    assert told is not None
    return Passed(status, _witness(world.folder / "marks"), told, growth, seconds)


def _growth(process: subprocess.Popen[str], started: Path) -> tuple[int, float]:
    """KiB between what the agent holds as the build begins and the most until it ends; the seconds between."""
    before = most = 0
    began = time.monotonic()
    while process.poll() is None:
        now = _resident(process.pid)
        if started.exists():
            began = began if before else time.monotonic()
            before = before or now
            most = max(most, now)
        time.sleep(0.02)
    return most - before, time.monotonic() - began


def _resident(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), 0)


def _witness(marks: Path) -> dict[str, Figures]:
    figures = {path.stem: Figures.read(path.read_text()) for path in marks.glob("*.json")}
    assert [kind for kind, one in figures.items() if one.failed] == []
    return figures


def main() -> int:
    """One calm build, one in the storm; fails when the theft was missed or anything is unaccounted for."""
    with tempfile.TemporaryDirectory() as folder, World([PACKAGE]) as world:
        program = compiled(Path(folder))
        calm, storm = passed(world, program, 0, "calm"), passed(world, program, _FORKS, "storm")
    lost = storm.report["run"]["lost_events"]
    counted = {kind: storm.counts[kind] - calm.counts[kind] for kind in ("open", "fork", "exec", "exit")}
    for kind, one in storm.figures.items():
        print(f"{one.done:,} of {kind} in {one.cost.wall:.1f} s, by its own account")
    print(f"counted by the guard, more than in the calm: {counted}; lost: {lost}")
    print(f"thefts: {[(one['package'], one['action'], one['count']) for one in storm.thefts]}")
    print(f"the agent grew by {storm.growth / 1024:.1f} MiB in {storm.seconds:.1f} s")
    return 0 if len(storm.thefts) == 1 and not lost else 1


if __name__ == "__main__":
    sys.exit(main())
