"""The parity tables: scenario × backend × kernel, each cell proved in a booted machine.

`python -m kernels.parity` from `tests/` writes what `make test-kernels` saw last into docs/parity.md.
"""

import json
import sys
from collections.abc import Mapping

from kernels import images, matrix
from kernels.machine import Machine

PAGE = images.CHECKOUT / "docs" / "parity.md"
TABLES = ("rows", "tiers")
"""What the page has between marks of these names: guarded by root, and by somebody without privilege in each tier."""
UNOWED = {
    "O34-calls": (
        (1, 2, 3, 4),
        "perf, packet and raw sockets, mounts: without privilege there is no control",
    ),
    "race.path": ((4,), "an open that was won is looked at when it returns, and its author killed"),
    "race.address": ((4,), "promised of tiers 1 to 3"),
    "race.program": ((4,), "promised of tiers 1 to 3"),
}
"""What has a `-` in these tiers, and why; every other cell is owed."""
UNPLAYED: dict[str, str] = {}
"""Kernels of which some cells of the tiers were not seen yet, and which; none once `make test-kernels` ran whole."""
_KEPT = images.CACHE / "parity.json"


class Parity:
    """Levels by scenario or attempt, then by column."""

    def __init__(self, levels: dict[str, dict[str, str]] | None = None) -> None:
        self.levels = levels or {}

    def add(self, boot: matrix.Boot, machine: Machine, found: Mapping[str, str]) -> None:
        """Note what one machine proved."""
        column = column_of(boot, version_of(machine))
        for name, level in found.items():
            self.levels.setdefault(name, {})[column] = level

    def columns(self, table: str) -> list[str]:
        """Every machine there was that the table is about, in the order of the matrix."""
        found = {column for levels in self.levels.values() for column in levels}
        return [column for column in columns(matrix.read(), table) if column in found]

    def rows(self, table: str) -> list[list[str]]:
        """A head, then a line for each scenario and attempt that one of its machines was asked for."""
        shown = self.columns(table)
        body = [
            [name, *("-" if unowed(name, column) else levels.get(column, "-") for column in shown)]
            for name, levels in self.levels.items()
            if not levels.keys().isdisjoint(shown)
        ]
        return [["scenario or attempt", *shown], *body]

    def keep(self) -> None:
        """For the page; what was not booted now stays as it was seen last."""
        with images.alone():  # another kernel's tests may end now
            kept = _seen()
            merged = {name: kept.get(name, {}) | self.levels.get(name, {}) for name in kept | self.levels}
            _KEPT.write_text(json.dumps(merged, indent=1))

    def __str__(self) -> str:
        return "\n\n".join(_aligned(self.rows(table)) for table in TABLES if self.columns(table))


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return "\n".join("  ".join(line).rstrip() for line in lines)


def unowed(name: str, column: str) -> bool:
    """Whether nothing can be said of it there, on any kernel."""
    return column.split(maxsplit=1)[0] in {f"rootless-{tier}" for tier in UNOWED.get(name, ((), ""))[0]}


def column_of(boot: matrix.Boot, kernel: str) -> str:
    """What a machine's column is called."""
    return f"{boot.name} {kernel}"


def version_of(machine: Machine) -> str:
    """Of its kernel, as the matrix names it."""
    return ".".join(machine.release.split(".")[:2])


def columns(of: matrix.Matrix, table: str) -> list[str]:
    """Every column of a whole table."""
    boots = [boot for boot in of.boots if TABLES[bool(boot.tier)] == table]
    return [column_of(boot, kernel.name) for boot in boots for kernel in of.kernels]


def shown(page: str, table: str) -> list[list[str]]:
    """The cells that a page has between the marks of a table, without its rule."""
    begin, end = _marks(table)
    head, _, *body = page.partition(begin)[2].partition(end)[0].splitlines()
    return [[cell.strip(" `") for cell in line.strip("| ").split(" | ")] for line in (head, *body)]


def _seen() -> dict[str, dict[str, str]]:
    """What was seen last: by this checkout, else by whoever wrote its page."""
    if _KEPT.exists():
        kept: dict[str, dict[str, str]] = json.loads(_KEPT.read_text())
        return kept
    levels: dict[str, dict[str, str]] = {}
    for table in TABLES:
        head, *body = shown(PAGE.read_text(encoding="utf-8"), table)
        for name, *cells in body:
            levels.setdefault(name, {}).update(zip(head[1:], cells, strict=True))
    return levels


def _marks(table: str) -> tuple[str, str]:
    return f"<!-- {table} -->\n", f"<!-- /{table} -->\n"


def _markdown(rows: list[list[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *([f"`{name}`", *levels] for name, *levels in body)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _reasons() -> str:
    """Why there is a `-`."""
    lines = (
        f"- `{name}`, tier {', '.join(map(str, tiers))}: {why}\n" for name, (tiers, why) in UNOWED.items()
    )
    missing = (f"- on {kernel}, not played yet: {what}\n" for kernel, what in UNPLAYED.items())
    return "".join((*lines, *missing))


def _between(page: str, name: str, text: str) -> str:
    """The page with other text between the marks of that name."""
    begin, end = _marks(name)
    before, _, rest = page.partition(begin)
    return f"{before}{begin}{text}{end}{rest.partition(end)[2]}"


def main() -> int:
    """Write the page."""
    written = PAGE.read_text(encoding="utf-8")
    parity = Parity(_seen())
    for table in TABLES:
        written = _between(written, table, _markdown(parity.rows(table)))
    PAGE.write_text(_between(written, "unowed", _reasons()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
