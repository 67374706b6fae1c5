"""The report as people read it after a command: one line when clean, else a block one can act on.

Marks have words beside them, colour only helps, and no line begins with what a terminal or a CI system obeys.
"""

import io
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from pratique.runs import phrases
from pratique.runs.escape import harmless_line, visible
from pratique.runs.paper import Paper
from pratique.runs.phrases import Group, Json
from pratique.runs.verdict import FOUND

_STYLES = {
    "BLOCKED": "bold red",
    "FINDINGS": "bold yellow",
    "clean": "bold green",
    "INCOMPLETE": "bold magenta",
    "nothing judged": "bold yellow",
}
_ACTION = {"denied": ("✗", "red"), "killed": ("✗", "red"), "audited": ("!", "yellow")}
_ASCII = str.maketrans({"✗": "x", "·": "-", "→": ">", "…": "~", "×": "x"})
_NARROWEST = 20
_MOST_LINES, _MOST_GROUPS = 12, 8
_MARGIN, _LABEL, _VERB = 2, 9, 8


def render(report: Json, paper: Paper | None = None) -> str:
    """The whole text, ending in a line break; every line is safe to print anywhere."""
    paper = paper or Paper()
    lines = _Block(report, paper).lines()
    shown = "".join(f"{harmless_line(_styled(line, paper))}\n" for line in lines)
    return shown if paper.unicode else shown.translate(_ASCII).encode("ascii", "backslashreplace").decode()


def allows(report: Json) -> str:
    """The `[[allow]]` stanzas of a report as TOML, each once, below what each is for."""
    asked: dict[str, list[str]] = {}
    for finding in report["findings"]:
        said = f"{phrases.who(finding)}: {phrases.verb(finding)} {phrases.target(finding)}"
        asked.setdefault(finding["allow"] or "# no allow is needed: not package code\n", []).append(said)
    blocks = [
        "".join(f"# {visible(said)}\n" for said in why) + _harmless(stanza) for stanza, why in asked.items()
    ]
    return "\n".join(blocks) or "# nothing was refused\n"


class _Block:
    """Lays a report out in lines of at most `paper.width` cells."""

    def __init__(self, report: Json, paper: Paper) -> None:
        self._report = report
        self._run = report["run"]
        self._paper = paper
        self._width = max(_NARROWEST, paper.width)
        self._console = Console(file=io.StringIO(), width=self._width, color_system=None)

    def lines(self) -> Iterator[Text]:
        """One clean line with what must be known besides, or the block."""
        run = self._run
        if not self._report["findings"]:
            yield from self._parts(
                self._headline(), [phrases.what_ran(self._report), *phrases.facts(self._report)]
            )
            yield from self._notes()
            return
        yield from self._parts(self._headline(), [f"run {run['id']}"])
        yield Text()
        shown = phrases.groups(self._report)
        for group in shown[:_MOST_GROUPS]:
            yield from self._group(group)
            yield Text()
        if len(shown) > _MOST_GROUPS:
            yield from self._field(
                "more", f"{len(shown) - _MOST_GROUPS} further packages have findings: pratique report"
            )
        yield from self._ending()

    def _headline(self) -> list[Text]:
        word, said = phrases.headline(self._report)
        head = Text("pratique  ").append(word, _STYLES[word])
        if self._run["incomplete"]:
            head.append(" ").append("INCOMPLETE", _STYLES["INCOMPLETE"])
        return [head, Text(visible(said), "bold")]

    def _group(self, group: Group) -> Iterator[Text]:
        yield from self._parts(
            [Text(visible(group.title), "bold")], list(group.remarks), _MARGIN, separator="   "
        )
        column = self._object_column(group)
        for finding in group.findings[:_MOST_LINES]:
            yield from self._finding(finding, column)
        if len(group.findings) > _MOST_LINES:
            yield Text(f"    and {len(group.findings) - _MOST_LINES} more: pratique report {self._run['id']}")
        yield Text()
        yield from self._field("how", " → ".join(phrases.how(group.findings[0], self._run["manager"])))
        explained = phrases.why(group.findings)
        if explained:
            yield from self._field("why", explained)
        yield from self._permission(group)

    def _finding(self, finding: Json, column: int) -> Iterator[Text]:
        mark, style = _ACTION[finding["action"]]
        verb = phrases.verb(finding)
        head = Text(" " * _MARGIN).append(mark, style).append(f" {verb:<{_VERB}}")
        said = visible(phrases.target(finding, self._paper.homes))
        told = Text(phrases.done(finding), style).append(f"   {visible(phrases.reason(finding))}", "default")
        if cell_len(said) <= column and head.cell_len + column + 2 + told.cell_len <= self._width:
            head.append(said + " " * (column - cell_len(said) + 2)).append_text(told)
            yield head
            return
        indent = head.cell_len
        for number, piece in enumerate(_folded(said, self._width - indent)):
            yield head.append(piece) if number == 0 else Text(" " * indent + piece)
        yield from self._wrapped(told, Text(" " * indent))

    def _object_column(self, group: Group) -> int:
        """Width of the objects' column: of those that have room beside them; the others get their own lines."""
        head = _MARGIN + 2 + _VERB + 2
        widths = [0]
        for finding in group.findings[:_MOST_LINES]:
            said = cell_len(visible(phrases.target(finding, self._paper.homes)))
            told = cell_len(f"{phrases.done(finding)}   {visible(phrases.reason(finding))}")
            widths += [said] if head + said + told <= self._width else []
        return max(widths)

    def _permission(self, group: Group) -> Iterator[Text]:
        run = self._report["run"]["id"]
        if any(phrases.permission(finding) for finding in group.findings):
            yield from self._field(
                "allow", f"pratique report {run} --allow   prints the [[allow]] stanza for each line"
            )
        elif group.findings[0]["allow"]:
            yield from self._field("allow", group.findings[0]["allow"].removeprefix("# ").rstrip())

    def _ending(self) -> Iterator[Text]:
        run = self._report["run"]
        uninstall = phrases.uninstall(self._report)
        steps = [uninstall] if uninstall else []
        yield from self._field("next", "   ·   ".join([*steps, f"pratique report {run['id']} --format html"]))
        if run["pratique_status"] == FOUND and run["exit_status"] == 0:
            yield from self._field(
                "status", f"3, for --fail-on {run['fail_on']}; the command itself ended with 0"
            )
        yield from self._notes()
        yield from self._coverage()

    def _coverage(self) -> Iterator[Text]:
        if not self._report["coverage"]:
            return
        said, gaps = phrases.covered(self._report)
        uncovered = f"; not covered: {', '.join(gaps)} (pratique doctor)" if gaps else ""
        yield from self._field("coverage", f"{self._report['run']['backend']}: {said}{uncovered}")

    def _notes(self) -> Iterator[Text]:
        for note in phrases.marks(self._report):
            yield from self._field("note", note)

    def _field(self, label: str, said: str) -> Iterator[Text]:
        head = Text(" " * _MARGIN).append(f"{label:<{_LABEL}}", "dim")
        return self._wrapped(Text(visible(said)), head)

    def _parts(
        self, head: list[Text], parts: Sequence[str], margin: int = 0, separator: str = "  ·  "
    ) -> Iterator[Text]:
        """Pieces in a row, a new line before each one that does not fit; a piece too long is folded."""
        line = Text(" " * margin)
        empty = True
        for piece in [*head, *(Text(visible(part)) for part in parts)]:
            between = "" if empty else "  " if piece in head else separator
            if not empty and line.cell_len + len(between) + piece.cell_len > self._width:
                yield line
                line, between = Text(" " * (margin + 2)), ""
            *full, line = self._wrapped(piece, line.append(between), margin + 2)
            yield from full
            empty = False
        yield line

    def _wrapped(self, said: Text, head: Text, hang: int | None = None) -> Iterator[Text]:
        """`said` after `head`, further lines hanging below its beginning."""
        hang = min(head.cell_len, self._width // 2) if hang is None else hang
        room = self._width - max(head.cell_len, hang)
        if room < 8:  # noqa: PLR2004 -- nothing readable fits beside the head: begin below it
            yield head
            head, room = Text(" " * hang), self._width - hang
        for number, piece in enumerate(
            said.wrap(self._console, room, overflow="fold", no_wrap=False) or [Text()]
        ):
            piece.rstrip()
            yield (head if number == 0 else Text(" " * hang)).append_text(piece)


def _folded(said: str, width: int) -> Iterator[str]:
    piece = ""
    for char in said:
        if piece and cell_len(piece + char) > width:
            yield piece
            piece = ""
        piece += char
    yield piece


def _styled(line: Text, paper: Paper) -> str:
    if not paper.colour:
        return line.plain.rstrip()
    console = Console(
        file=io.StringIO(),
        width=10_000,
        force_terminal=True,
        color_system="standard",
        highlight=False,
        soft_wrap=True,
    )
    with console.capture() as capture:
        console.print(line, end="", markup=False, emoji=False)
    return capture.get().rstrip(" ")


def _harmless(stanza: str) -> str:
    return "".join(f"{harmless_line(visible(line))}\n" for line in stanza.rstrip("\n").split("\n"))


def listed(report: Json) -> str:
    """One line of a list of runs."""
    run = report["run"]
    said = run["description"] or phrases.command({"argv": run["command"], "exe": None})
    words = [
        run["id"],
        run["started"],
        run["verdict"],
        phrases.plural(len(report["findings"]), "finding"),
        said,
    ]
    return harmless_line("  ".join(visible(str(word)) for word in words))
