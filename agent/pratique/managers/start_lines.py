"""What `.pth` files make every start of an interpreter run, and which of these lines are known."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pratique.managers.files import text

_LARGEST = 1 << 16


@dataclass(frozen=True, slots=True)
class Known:
    """A line that well-known packages bring, and what it loads."""

    line: re.Pattern[str]
    module: str
    package: str = ""
    """Purl without version of the one package that may bring it."""


def code(path: str) -> list[str]:
    """The lines of a `.pth` file that are executed; the others are directories."""
    lines = text(path, _LARGEST, follow=True).splitlines()
    return [line.rstrip() for line in lines if line.startswith(("import ", "import\t"))]


def known(line: str) -> Known | None:
    """The row that the line fits."""
    return next((row for row in _rows() if row.line.fullmatch(line)), None)


@cache
def _rows() -> tuple[Known, ...]:
    data = tomllib.loads((Path(__file__).parent / "start_lines.toml").read_text(encoding="utf-8"))
    return tuple(Known(re.compile(row.pop("line")), **row) for row in data["known"])
