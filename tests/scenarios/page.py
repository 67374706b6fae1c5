"""docs/scenarios.md: one row per scenario and manager, with what the guard owes it and what the last run showed."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from scenarios.scenario import ENFORCED, Form, forms
from scenarios.tally import Tally, coverage, owed

PAGE = Path(__file__).parents[2] / "docs" / "scenarios.md"
BEGIN, END = "<!-- rows -->\n", "<!-- /rows -->\n"
COLUMNS = ("scenario", "replays", "what it does", "package", "stage", "acts", "owed", "seen", "coverage")


def rows(observed: Mapping[str, str], backend: str = "hooks") -> list[list[str]]:
    """The cells of the table, attacks first; `observed` by the form's id."""
    ordered = sorted(forms(), key=lambda wanted: (wanted.scenario.benign, wanted.id))
    return [_cells(wanted, observed.get(wanted.id), backend) for wanted in ordered]


def table(observed: Mapping[str, str], backend: str = "hooks") -> str:
    """The table in Markdown."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *rows(observed, backend)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def shown(page: str) -> list[list[str]]:
    """The cells that a page has between its marks."""
    lines = page.partition(BEGIN)[2].partition(END)[0].splitlines()[2:]
    return [line.strip("| ").split(" | ") for line in lines]


def write(observed: Mapping[tuple[str, str], Tally]) -> None:
    """Put the table into the page; what was not played keeps what was seen of it last."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    kept = {cells[0].strip("`"): cells[COLUMNS.index("seen")] for cells in shown(text)}
    kept |= {name: _both(observed.get((name, guard)) for guard in ENFORCED) for name, _ in observed}
    PAGE.write_text(f"{head}{BEGIN}{table(kept)}{END}{rest.partition(END)[2]}", encoding="utf-8")


def _both(tallies: Iterable[Tally | None]) -> str:
    """What there is under `standard`, and under `strict` where that is played."""
    standard, strict = tallies
    return f"{standard}; strict {strict}" if strict else str(standard)


def _cells(wanted: Form, seen: str | None, backend: str) -> Sequence[str]:
    scenario = wanted.scenario
    return [
        f"`{wanted.id}`",
        ", ".join(scenario.modelled_on),
        scenario.title,
        f"`{scenario.culprit}`" if scenario.culprit else "benign",
        scenario.stage,
        ", ".join(scenario.acts) or "none",
        _both(owed(scenario, backend, guard) if guard in scenario.guards else None for guard in ENFORCED),
        seen or "not run",
        ", ".join(coverage(scenario, backend)) or "nothing to refuse",
    ]
