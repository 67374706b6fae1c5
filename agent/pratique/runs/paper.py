"""What a report is printed on."""

import os
from collections.abc import Mapping
from typing import NamedTuple, TextIO

_WIDEST = 160


class Paper(NamedTuple):
    """What a terminal, pipe or file can show."""

    width: int = 80
    colour: bool = False
    unicode: bool = True
    homes: tuple[str, ...] = ()

    @classmethod
    def of(cls, stream: TextIO, environment: Mapping[str, str] | None = None) -> "Paper":
        """What `stream` can show; NO_COLOR, TERM=dumb and pipes mean no colour."""
        environment = os.environ if environment is None else environment
        terminal = stream.isatty()
        plain = bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb" or not terminal
        return cls(
            width=_width(stream, environment, terminal),
            colour=not plain,
            unicode=(stream.encoding or "").lower().replace("-", "") == "utf8",
            homes=tuple(filter(None, (environment.get("HOME"),))),
        )


def _width(stream: TextIO, environment: Mapping[str, str], terminal: bool) -> int:
    columns = environment.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and int(columns):
        return min(int(columns), _WIDEST)
    if not terminal:
        return 80
    try:
        return min(os.get_terminal_size(stream.fileno()).columns or 80, _WIDEST)
    except OSError:
        return 80
