"""Prints a report for people after a command. Most runs are clean: that line is laid out here, at once.

What needs more than plain short pieces is left to `text`, whose library is slow to load.
"""

from collections.abc import Iterator, Sequence
from typing import TextIO

from pratique.runs import phrases
from pratique.runs.escape import harmless_line, visible
from pratique.runs.paper import Paper
from pratique.runs.phrases import Json

_BETWEEN = "  ·  "
_BLANKS, _HANG = "  ", "  "


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
    whole = [f"pratique  {word}", *map(visible, (said, *pieces))]
    plain = all(piece.isascii() and _is_foldable(piece, paper.width - len(_HANG)) for piece in whole)
    if (
        report["findings"]
        or phrases.marks(report)
        or report["run"]["incomplete"]
        or paper.colour
        or not plain
    ):
        return None
    return "".join(f"{harmless_line(line)}\n" for line in _packed(whole, paper))


def _is_foldable(piece: str, room: int) -> bool:
    """Whether it can be broken between its words, one blank each."""
    return all(0 < len(word) <= room for word in piece.replace("  ", " ", 1).split(" "))


def _packed(pieces: Sequence[str], paper: Paper) -> Iterator[str]:
    between = _BETWEEN if paper.unicode else _BETWEEN.replace("·", "-")
    line, *rest = pieces
    for number, piece in enumerate(rest):
        parted = between if number else _BLANKS
        if len(line) + len(parted) + len(piece) <= paper.width:
            line += parted + piece
            continue
        yield line
        *full, line = _folded(piece, paper.width)
        yield from full
    yield line


def _folded(piece: str, width: int) -> Iterator[str]:
    line = _HANG
    for word in piece.split(" "):
        if len(line) + len(word) > width:
            yield line.rstrip()
            line = _HANG
        line += f"{word} "
    yield line.rstrip()


def _block(report: Json, paper: Paper) -> str:
    from pratique.runs import text  # noqa: PLC0415 -- as said above

    return text.render(report, paper)
