"""Prints a report for people after a command. Most runs are clean: that line is laid out here, at once.

What needs more than plain short pieces is left to `text`, whose library takes 25 ms to load.
"""

from collections.abc import Iterator, Sequence
from typing import TextIO

from pratique.runs import phrases
from pratique.runs.escape import harmless_line, visible
from pratique.runs.paper import Paper
from pratique.runs.phrases import Json

_BETWEEN = "  ·  "
_HANG = "  "


def write(report: Json, stream: TextIO) -> None:
    """Print the report to a terminal or pipe."""
    paper = Paper.of(stream)
    shown = clean(report, paper) or _block(report, paper)
    encoding = stream.encoding or "ascii"
    stream.write(shown.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def clean(report: Json, paper: Paper) -> str | None:
    """What `text.render` gives for a clean run, where it is plain: one line, broken between its pieces at most.

    None where it is more than that: findings, notes, colour, or a piece that only a terminal's own measure can fold.
    """
    word, said = phrases.headline(report)
    pieces = [phrases.what_ran(report), *phrases.facts(report)]
    whole = [f"pratique  {word}  {visible(said)}", *map(visible, pieces)]
    plain = all(piece.isascii() and len(piece) + len(_HANG) <= paper.width for piece in whole)
    if (
        report["findings"]
        or phrases.marks(report)
        or report["run"]["incomplete"]
        or paper.colour
        or not plain
    ):
        return None
    return "".join(f"{harmless_line(line)}\n" for line in _packed(whole, paper))


def _packed(pieces: Sequence[str], paper: Paper) -> Iterator[str]:
    between = _BETWEEN if paper.unicode else _BETWEEN.replace("·", "-")
    line, *rest = pieces
    for piece in rest:
        if len(line) + len(between) + len(piece) <= paper.width:
            line += between + piece
        else:
            yield line
            line = _HANG + piece
    yield line


def _block(report: Json, paper: Paper) -> str:
    from pratique.runs import text  # noqa: PLC0415 -- as said above

    return text.render(report, paper)
