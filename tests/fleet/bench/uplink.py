"""What one host pays for telemetry: a real `pratique uplink` while recorded runs come at 2,000 events a second."""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from fleet.bench import load
from fleet.served import Served
from pratique.telemetry import handover
from pratique.telemetry.place import Place
from pratique.telemetry.spool import Rank, Spool, Waiting

_PRATIQUE = Path(sys.executable).with_name("pratique")
_EVENTS, _SECONDS, _ROUNDS, _SETTLE = 2_000, 10, 7, 5
_PATIENCE = 60
_FIRST = 900_000_000
"""Numbers of runs that no other part of the benchmark takes."""


@dataclass(frozen=True)
class Cost:
    """Of the uplink alone; the runs' own part, the spool, is paid by them."""

    shares: tuple[float, ...]
    """Of a core, one for each round."""
    own: float
    """Megabytes that nobody else maps."""
    proportional: float
    resident: float

    def __str__(self) -> str:
        return (
            f"One uplink, {_EVENTS:,} recorded events a second: **{median(self.shares):.1%} of a core** "
            f"({min(self.shares):.1%} to {max(self.shares):.1%}, n = {len(self.shares)} times {_SECONDS} s), "
            f"**{self.own:.0f} MB** of its own memory ({self.proportional:.0f} MB proportional, "
            f"{self.resident:.0f} MB resident)."
        )


def cost(collector: Served) -> Cost:
    """Enrol this host under a state directory of its own, send through its uplink, and look at that process."""
    with tempfile.TemporaryDirectory(prefix="bench-uplink-") as state:
        environment = {**os.environ, "PRATIQUE_STATE_DIR": state}
        _enrol(collector, environment)
        place = Place(Path(state))
        process = subprocess.Popen([_PRATIQUE, "uplink"], env=environment, stderr=subprocess.DEVNULL)
        try:
            _send(place, 0, _SETTLE)
            shares = [_share(place, process.pid, number) for number in range(1, _ROUNDS + 1)]
            used = psutil.Process(process.pid).memory_full_info()
            _drained(place)
        finally:
            process.terminate()
            process.wait(_PATIENCE)
    return Cost(tuple(shares), used.uss / 1e6, used.pss / 1e6, used.rss / 1e6)


def _enrol(collector: Served, environment: dict[str, str]) -> None:
    made = [sys.executable, "-m", "pratique_server", "token", "create", "--data", str(collector.folder)]
    token = subprocess.run(
        made, check=True, capture_output=True, text=True, timeout=_PATIENCE
    ).stdout.split()[-1]
    port = collector.enrolment.rsplit(":", 1)[1]
    join = [str(_PRATIQUE), "enroll", f"https://localhost:{port}", "--token", token]
    subprocess.run(join, check=True, capture_output=True, timeout=_PATIENCE, env=environment)


def _share(place: Place, pid: int, number: int) -> float:
    uplink = psutil.Process(pid)
    before, began = sum(uplink.cpu_times()[:2]), time.perf_counter()
    _send(place, number, _SECONDS)
    return (sum(uplink.cpu_times()[:2]) - before) / (time.perf_counter() - began)


def _send(place: Place, number: int, seconds: int) -> None:
    """A run of 2,000 events, once a second, put as a run that ended puts it."""
    began = time.perf_counter()
    for second in range(seconds):
        request = load.run(_FIRST + number * 1_000 + second, _EVENTS, real=True)
        message = request.SerializeToString()
        said = handover.keep(
            place, [Waiting(request.run_id, 1, Rank.ACTS, request.records, message)], request.run_id, 0
        )
        assert said is None, said
        time.sleep(max(0.0, began + second + 1 - time.perf_counter()))


def _drained(place: Place) -> None:
    """What was put has left: a share of nothing would be none."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        spool = Spool(place.spool)
        left = spool.load().batches
        spool.close()
        if not left:
            return
        assert time.monotonic() < deadline, f"{left} batches still wait"
        time.sleep(0.1)
