"""The parity table: scenario × backend × kernel, each cell proved in a booted machine.

`python -m kernels.parity` from `tests/` writes what `make test-kernels` saw last into docs/parity.md.
"""

import json
import sys
from collections.abc import Mapping

from kernels import images, matrix
from kernels.machine import Machine

PAGE = images.CHECKOUT / "docs" / "parity.md"
BEGIN, END = "<!-- rows -->\n", "<!-- /rows -->\n"
_KEPT = images.CACHE / "parity.json"


class Parity:
    """Levels by scenario or attempt, then by column."""

    def __init__(self, levels: dict[str, dict[str, str]] | None = None) -> None:
        self.levels = levels or {}

    def add(self, boot: matrix.Boot, machine: Machine, found: Mapping[str, str]) -> None:
        """Note what one machine proved."""
        column = column_of(boot, ".".join(machine.release.split(".")[:2]))
        for name, level in found.items():
            self.levels.setdefault(name, {})[column] = level

    @property
    def columns(self) -> list[str]:
        """Every machine there was, in the order of the matrix."""
        found = {column for levels in self.levels.values() for column in levels}
        return [column for column in columns(matrix.read()) if column in found]

    def rows(self) -> list[list[str]]:
        """A head, then a line for each scenario and attempt."""
        body = [
            [name, *(levels.get(column, "-") for column in self.columns)]
            for name, levels in self.levels.items()
        ]
        return [["scenario or attempt", *self.columns], *body]

    def keep(self) -> None:
        """For the page; what was not booted now stays as it was seen last."""
        with images.alone():  # another kernel's tests may end now
            kept = json.loads(_KEPT.read_text()) if _KEPT.exists() else {}
            merged = {name: kept.get(name, {}) | self.levels.get(name, {}) for name in kept | self.levels}
            _KEPT.write_text(json.dumps(merged, indent=1))

    def __str__(self) -> str:
        rows = self.rows()
        widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
        lines = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
        return "\n".join("  ".join(line).rstrip() for line in lines)


def column_of(boot: matrix.Boot, kernel: str) -> str:
    """What a machine's column is called."""
    return f"{boot.name} {kernel}"


def columns(of: matrix.Matrix) -> list[str]:
    """Every column of a whole table."""
    return [column_of(boot, kernel.name) for boot in of.boots for kernel in of.kernels]


def table(parity: Parity) -> str:
    """In Markdown."""
    head, *body = parity.rows()
    lines = [head, ["---"] * len(head), *([f"`{name}`", *levels] for name, *levels in body)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def shown(page: str) -> list[list[str]]:
    """The cells that a page has between its marks, without its rule."""
    head, _, *body = page.partition(BEGIN)[2].partition(END)[0].splitlines()
    return [[cell.strip(" `") for cell in line.strip("| ").split(" | ")] for line in (head, *body)]


def main() -> int:
    """Write the page."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    parity = Parity(json.loads(_KEPT.read_text()))
    PAGE.write_text(f"{head}{BEGIN}{table(parity)}{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
