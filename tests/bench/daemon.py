"""`make bench-daemon`: what the daemon costs a host, printed as the table of docs/daemon.md (root)."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.paired import Estimate, estimate
from bench.table import host
from lab.daemon import Daemon, as_user, environment, hand_to_user, shed, user_venv
from lab.guard import PRATIQUE
from lab.world import World
from pratique.daemon import client

_ROOT = Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "daemon.md"
_TABLE = re.compile(r"(?<=<!-- bench -->\n).*?(?=<!-- /bench -->)", re.DOTALL)
_PACKAGE, _PURL = _ROOT / "tests/root/daemon_packages/calm-sea-1.0.0", "pkg:pypi/calm-sea@1.0.0"
_PAIRS, _RESTARTS, _AT_ONCE, _IDLE_SECONDS = 21, 7, 10, 30.0
_HEAD = "| what | median (95 % interval) | n |\n|---|---|---|\n"
_IMPORT = "import time; t = time.perf_counter(); import calm_sea; print(1000 * (time.perf_counter() - t))"


def main() -> int:
    """Measure, print, and put the table into the page."""
    facts = host()
    with World([_PACKAGE]) as world, Daemon(world) as daemon:
        hand_to_user(world)
        time.sleep(10)  # the first proof of a boot is over
        rows = [
            *_idle(daemon),
            _thin(daemon),
            _first_import(world, daemon),
            _restart(daemon),
            _crowd(world, daemon),
        ]
    said = (
        f"{facts['time']}, kernel {facts['kernel']}, {facts['cores']} cores, load average "
        f"{facts['load']:.1f} before and {os.getloadavg()[0]:.1f} after.\n\n{_HEAD}{''.join(rows)}"
    )
    sys.stdout.write(said)
    _PAGE.write_text(_TABLE.sub(lambda _: f"\n{said}\n", _PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def _row(what: str, values: list[float], unit: str, digits: int = 1) -> str:
    found: Estimate = estimate(values)
    low, high = (f"{value:.{digits}f}" for value in (found.low, found.high))
    return f"| {what} | {found.median:.{digits}f} {unit} ({low} to {high}) | {len(values)} |\n"


def _idle(daemon: Daemon) -> Iterator[str]:
    """Nobody installs anything: processor and memory of the daemon with its helpers."""
    assert daemon.process is not None
    family = [daemon.process.pid, *_children(daemon.process.pid)]
    shares = []
    for _ in range(3):
        before, began = sum(map(_ticks, family)), time.monotonic()
        time.sleep(_IDLE_SECONDS / 3)
        used = (sum(map(_ticks, family)) - before) / os.sysconf("SC_CLK_TCK")
        shares.append(100 * used / (time.monotonic() - began))
    yield _row("idle: processor", shares, "% of a core", 2)
    yield _row("memory of the daemon and its helpers (PSS)", [sum(map(_megabytes, family))], "MB")


def _thin(daemon: Daemon) -> str:
    """`pratique run -- true` against `true`."""
    thin = [str(PRATIQUE), "run", "--quiet", "--", "true"]
    pairs = [(_wall(thin, daemon), _wall(["true"], daemon)) for _ in range(_PAIRS)]
    return _row("`pratique run -- true`, added", [1000 * (one - bare) for one, bare in pairs], "ms")


def _first_import(world: World, daemon: Daemon) -> str:
    """The import of a module while it is fresh, less the same import when it is approved."""
    python = str(user_venv() / "bin" / "python")
    site = str(world.folder / "site")
    assert as_user(world, [*world.install("calm-sea"), "--target", site]).status == 0
    daemon.settled()

    def imported(word: str) -> float:
        client.ask(word, daemon.socket, purl=_PURL)
        return float(as_user(world, [python, "-c", _IMPORT], {"PYTHONPATH": site}).out)

    imported("forget")  # writes the .pyc
    added = [imported("forget") - imported("approve") for _ in range(_PAIRS)]
    return _row("first import of a fresh module, added", added, "ms", 2)


def _restart(daemon: Daemon) -> str:
    """From the new daemon's start to its first answer; the old one's refusals hold meanwhile."""

    def once() -> float:
        daemon.end(signal.SIGTERM)
        return daemon.start()

    return _row("restart, until it answers", [once() for _ in range(_RESTARTS)], "s", 2)


def _crowd(world: World, daemon: Daemon) -> str:
    """Ten installs at once: what was lost of their events."""
    before = daemon.status()["daemon"]["ended_runs"]
    installs = [
        subprocess.Popen(
            shed([*world.install("calm-sea"), "--target", str(world.folder / f"crowd{number}")]),
            env=environment(world), cwd=world.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for number in range(_AT_ONCE)
    ]  # fmt: skip
    ended = [each.wait(120) for each in installs]
    daemon.settled(_AT_ONCE)
    told = daemon.status()["daemon"]
    assert ended == [0] * _AT_ONCE
    seen = told["ended_runs"] - before
    return f"| {_AT_ONCE} installs at once: runs reported, events lost | {seen}, {told['lost']} | 1 |\n"


def _wall(command: list[str], daemon: Daemon) -> float:
    began = time.monotonic()
    subprocess.run(
        command, env={**os.environ, **daemon.environment()}, check=True, capture_output=True, timeout=60
    )
    return time.monotonic() - began


def _children(pid: int) -> list[int]:
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for each in lists for word in each.read_text().split()]


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


if __name__ == "__main__":
    sys.exit(main())
