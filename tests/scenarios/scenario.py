"""A scenario as written in `scenario.yaml`, checked strictly: a misspelt key must not pass as a test."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one backend does about a row: D detected (a finding), B blocked; actions as in the report."""

    marks: str
    actions: frozenset[str]
    """Any of these: the same refusal may be an error here and a kill there."""

    @classmethod
    def parse(cls, text: str) -> "Expectation":
        """`DB denied`, `D killed`, `DB denied/killed`, `- allowed`."""
        marks, action = text.split()
        actions = frozenset(action.split("/"))
        if not set(marks) <= set("DB-") or not actions <= {"denied", "killed", "audited", "allowed"}:
            raise ValueError(f"{text!r}: write marks (D, B, DB or -) and actions")
        return cls(marks, actions)


@dataclass(frozen=True, slots=True)
class Row:
    """One act the scenario tries, and what must come of it per backend."""

    act: tuple[str, ...]
    """Any of these: a backend may see the same thing as `file.write` or `file.create`."""
    group: str | None
    target: Mapping[str, Any]
    """What the finding's target must hold; a string has to be contained, `path|exe` is either key."""
    backends: Mapping[str, Expectation]

    def of(self, backend: str) -> Expectation | None:
        """What this backend does; where nothing else is written, `rootless` must do what `hooks` does."""
        return self.backends.get(backend) or (self.backends.get("hooks") if backend == "rootless" else None)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> "Row":
        """From one item of `rows:`."""
        rest = dict(data)
        acts = rest.pop("act")
        group, target = rest.pop("group", None), rest.pop("target", {})
        backends = {name: Expectation.parse(text) for name, text in rest.items()}
        if not backends or not set(backends) <= {"hooks", "lsm", "rootless"}:
            raise ValueError(f"row {acts}: name backends (hooks, lsm, rootless), not {sorted(rest)}")
        return cls(tuple([acts] if isinstance(acts, str) else acts), group, target, backends)


@dataclass(frozen=True, slots=True)
class Theft:
    """One observable effect of the act; it must show with the guard off and not show with it on."""

    sink: int | None = None
    """Port of the sink that must have received `canary` or `text`; without either, a connection."""
    canary: str | None = None
    text: str | None = None
    holds: str | None = None
    """A file (`~/…` or `marks/…`) that must contain `text`."""
    alive: str | None = None
    """A process still alive after the command whose command line contains this."""
    despite: tuple[str, ...] = ()
    """Backends that see or kill but cannot surely prevent this one (coverage `killed-after` or `seen`)."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario; see `tests/scenarios/README.md` for every key."""

    id: str
    title: str
    modelled_on: tuple[str, ...]
    stage: str
    acts: tuple[str, ...]
    install: tuple[str, ...]
    succeeds: tuple[str, ...]
    """Modules that must be importable after every run, guarded or not."""
    theft: tuple[Theft, ...] = ()
    rows: tuple[Row, ...] = ()
    culprit: str | None = None
    """purl that every finding must name; None for a benign twin, which must be clean."""
    direct: bool = True
    identity: str = "verified"
    twin: str | None = None
    audited: tuple[str, ...] = ()
    """Groups a twin may draw audited findings of: seen, never refused."""
    answers: Mapping[str, str] | None = None
    """What the sink serves, by path."""
    metadata: bool = False
    """Whether the lab's metadata stand-in is wanted."""
    isolated: bool = False
    """Whether pip builds its own build environment (nested build requirements)."""
    system: Mapping[str, str] | None = None
    """System paths lent for the run: `socket`, or the text of a decoy (`canary` for a secret of its own)."""
    home: tuple[str, ...] = ()
    """Empty files (or folders, ending in `/`) that the home has besides the decoys."""
    neighbour: str | None = None
    """A process outside the run: its command line begins a word so, its memory holds `neighbour-TOKEN`."""
    needs: tuple[str, ...] = ()

    @property
    def sources(self) -> list[Path]:
        """Folders of the packages, `NAME-VERSION` each."""
        return sorted(path for path in (FOLDER / self.id).iterdir() if path.is_dir())

    @property
    def benign(self) -> bool:
        """Whether this is a twin that must draw no refusal."""
        return self.culprit is None


def load(name: str) -> Scenario:
    """Read the scenario in the folder `name`."""
    data = yaml.safe_load((FOLDER / name / "scenario.yaml").read_text(encoding="utf-8"))
    known = {field.name for field in fields(Scenario)}
    if unknown := set(data) - known:
        raise ValueError(f"{name}/scenario.yaml: unknown keys {sorted(unknown)}")
    if data["id"] != name:
        raise ValueError(f"{name}/scenario.yaml: id is {data['id']}")
    data["theft"] = tuple(Theft(**_tupled(item)) for item in data.get("theft", []))
    data["rows"] = tuple(Row.parse(item) for item in data.get("rows", []))
    return Scenario(**_tupled(data))


def names() -> list[str]:
    """Every scenario of this folder, in order."""
    return sorted(path.parent.name for path in FOLDER.glob("*/scenario.yaml"))


def _tupled(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
