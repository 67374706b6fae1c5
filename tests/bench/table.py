"""What a benchmark leaves behind: a JSON file with every round, and the table in docs/benchmarks.md."""

import json
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.paired import Estimate, Round, estimate
from bench.workloads import Measured
from pratique import __version__

_TABLE = re.compile(r"(?<=<!-- bench -->\n).*?(?=<!-- /bench -->)", re.DOTALL)
_HEAD = """\
| workload | under | wall: median (95 % interval) | CPU: median (95 % interval) | rounds |
|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Result:
    """One workload under one observer."""

    workload: Measured
    under: str
    rounds: Sequence[Round]

    def estimates(self) -> tuple[Estimate, Estimate]:
        """Wall and CPU."""
        wall, cpu = zip(*(self.workload.values(one) for one in self.rounds), strict=True)
        return estimate(wall), estimate(cpu)

    def line(self) -> str:
        """The row of the table."""
        cells = (_text(value, self.workload.unit) for value in self.estimates())
        return f"| {self.workload.name} | {self.under} | {' | '.join(cells)} | {len(self.rounds)} |\n"


def host() -> dict[str, object]:
    """What a reader needs to judge the figures."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "pratique": __version__,
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def write(docs: Path, facts: dict[str, object], results: Sequence[Result]) -> Path:
    """Keep the rounds, and replace the table."""
    kept = docs / "benchmarks" / f"{str(facts['time'])[:10]}-{facts['kernel']}.json"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(
        json.dumps({"host": facts, "results": [_record(one) for one in results]}, indent=1) + "\n"
    )
    page = docs / "benchmarks.md"
    page.write_text(_TABLE.sub(lambda _: _section(facts, results, kept), page.read_text()))
    return kept


def _section(facts: dict[str, object], results: Sequence[Result], kept: Path) -> str:
    said = (
        f"{facts['time']}, Pratique {facts['pratique']}, kernel {facts['kernel']} ({facts['machine']}), "
        f"{facts['cores']} cores, Python {facts['python']}, load average {facts['load']:.1f} before and "
        f"{facts['load_after']:.1f} after. Rounds: [{kept.name}](benchmarks/{kept.name}).\n"
    )
    tallies = "".join(f"- {one.workload.name}: {_tally(one)}.\n" for one in results if one.workload.tally())
    return f"\n{said}\n{_HEAD}{''.join(one.line() for one in results)}\n{tallies}\n".rstrip() + "\n\n"


def _tally(result: Result) -> str:
    """What the guard says of all its rounds, under a storm."""
    return ", ".join(f"{value:,} {key}" for key, value in result.workload.tally().items())


def _record(result: Result) -> dict[str, object]:
    wall, cpu = result.estimates()
    return {
        "workload": result.workload.name,
        "under": result.under,
        "unit": result.workload.unit,
        "wall": asdict(wall),
        "cpu": asdict(cpu),
        "tally": result.workload.tally(),
        "rounds": [asdict(one) for one in result.rounds],
    }


def _text(value: Estimate, unit: str) -> str:
    if unit == "ratio":
        return f"{value.median:.3f}× ({value.low:.3f} to {value.high:.3f})"
    return f"+{value.median * 1000:.0f} ms ({value.low * 1000:.0f} to {value.high * 1000:.0f})"
