"""Runs recorded for real (`pratique run --trace`), as rows of the wire: what codec and collector are measured with.

Paths of the machine they were recorded on, and the names of its registries, were renamed; nothing else was changed.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pratique.api.columns import Row
from pratique.runs import trace
from pratique.telemetry.rows import Redactor, rows

TRACES = Path(__file__).parent / "traces"
_HOUR = 3_600_000_000


@cache
def runs() -> dict[str, tuple[Row, ...]]:
    """Every recorded run by its name, as it would be sent."""
    return {
        path.stem: tuple(rows(trace.read(path).items, Redactor())) for path in sorted(TRACES.glob("*.trace"))
    }


def stream(begin_us: int = 1_795_400_000_000_000) -> Iterator[list[Row]]:
    """Without end: the recorded runs one after the other, each time with other pids, times and temporary names."""
    number = 0
    while True:
        for recorded in runs().values():
            number += 1
            yield [_again(row, number, begin_us - recorded[0].time_us) for row in recorded]


def _again(row: Row, number: int, shift: int) -> Row:
    return row._replace(
        time_us=row.time_us + shift + number * _HOUR // 60,
        pid=row.pid + number * 37 % 30_000,
        ppid=row.ppid + number * 37 % 30_000 if row.ppid else 0,
        path=_renamed(row.path, number),
        to=_renamed(row.to, number),
        cwd=_renamed(row.cwd, number),
        argv=tuple(_renamed(word, number) for word in row.argv),
    )


def _renamed(text: str, number: int) -> str:
    """Two runs are in two projects, with temporary names of their own."""
    return (
        text.replace("/home/dev/", f"/home/dev{number % 97}/").replace("/tmp", f"/tmp{number:x}")
        if text
        else text
    )
