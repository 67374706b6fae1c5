"""The table of docs/coverage.md, made from the rows that `pratique doctor` proves; run it to write the page."""

import sys
from collections.abc import Iterable
from pathlib import Path

from pratique.backends.coverage import ROWS
from pratique.backends.proof import Attempt

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
BEGIN, END = "<!-- rows -->\n", "<!-- /rows -->\n"


def table(rows: Iterable[Attempt] = ROWS) -> str:
    """The rows with what each claims at best, and how."""
    lines = ["| act | when | level | how |", "|---|---|---|---|"]
    lines += [f"| `{row.act.word}` | {row.when} | {row.claim.word} | {row.reason} |" for row in rows]
    return "\n".join(lines) + "\n"


def shown(page: str) -> str:
    """What the page says now, between its markers."""
    return page.partition(BEGIN)[2].partition(END)[0]


def main() -> int:
    """Write the table into the page."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page.replace(shown(page), table()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
