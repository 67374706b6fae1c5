"""The tables of docs/coverage.md, made from the rows that `pratique doctor` proves; run it to write the page."""

import sys
from collections.abc import Iterable
from pathlib import Path

from pratique.backends.coverage import LSM_ROWS, ROWS
from pratique.backends.proof import Attempt

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
TABLES = {"hooks": ROWS, "lsm": LSM_ROWS}


def table(rows: Iterable[Attempt] = ROWS) -> str:
    """The rows with what each claims at best, and how."""
    lines = ["| act | when | level | how |", "|---|---|---|---|"]
    lines += [f"| `{row.act.word}` | {row.when} | {row.claim.word} | {row.reason} |" for row in rows]
    return "\n".join(lines) + "\n"


def shown(page: str, backend: str = "hooks") -> str:
    """What the page says now of a backend, between its markers."""
    return page.partition(f"<!-- {backend} -->\n")[2].partition(f"<!-- /{backend} -->\n")[0]


def main() -> int:
    """Write the tables into the page."""
    page = PAGE.read_text(encoding="utf-8")
    for backend, rows in TABLES.items():
        page = page.replace(shown(page, backend), table(rows))
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
