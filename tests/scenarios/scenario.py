"""A scenario as written in `scenario.yaml`, checked strictly: a misspelt key must not pass as a test."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from pratique.backends import syscalls
from pratique.backends.rootless.capability import TIER

FOLDER = Path(__file__).parent
OFF, ENFORCE, AUDIT, STRICT = "off", "enforce", "audit", "strict"
"""How a scenario is played: unguarded, under `standard`, auditing only, under `strict`."""
ENFORCED = (ENFORCE, STRICT)
_BACKENDS = ("hooks", "lsm", "rootless")
_COLUMNS = {f"{backend}{guard}" for backend in _BACKENDS for guard in ("", "/audit", "/strict")}
# Inside namespaces there may be nobody to be found: then nothing is tried, and nothing told of.
_COLUMNS |= {"rootless-1"}


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
    rule: str | None
    """The rule that must have fired; None: any."""
    target: Mapping[str, Any]
    """What the finding's target must hold; a string has to be contained, `path|exe` is either key."""
    source: str | None
    """What the line of code has in it that the finding of a first run must point to, exactly."""
    backends: Mapping[str, Expectation]

    def expected(self, backend: str, guard: str = ENFORCE) -> Expectation | None:
        """What the backend owes: its own column, or that of `hooks` or better: an error instead of a kill."""
        tier = f"{backend}-{os.environ.get(TIER)}"
        for own in (tier, f"{backend}/{guard}", backend):
            if own in self.backends:
                return self.backends[own]
        names = ("hooks/strict", "hooks") if guard == STRICT else ("hooks",)
        weakest = next((self.backends[name] for name in names if name in self.backends), None)
        if weakest is None:
            return None
        better = {"denied"} if "killed" in weakest.actions else set()
        return Expectation(weakest.marks, weakest.actions | better)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> "Row":
        """From one item of `rows:`."""
        rest = dict(data)
        acts = rest.pop("act")
        group, rule, target = rest.pop("group", None), rest.pop("rule", None), rest.pop("target", {})
        source = rest.pop("source", None)
        backends = {name: Expectation.parse(text) for name, text in rest.items()}
        if not backends or not set(backends) <= _COLUMNS:
            raise ValueError(f"row {acts}: name backends ({sorted(_COLUMNS)}), not {sorted(rest)}")
        return cls(tuple([acts] if isinstance(acts, str) else acts), group, rule, target, source, backends)


@dataclass(frozen=True, slots=True)
class Theft:
    """One observable effect of the act; it must show with the guard off and not show with it on."""

    sink: int | str | None = None
    """Port of the sink (or the word that stands for it) that must have received `canary` or `text`."""
    canary: str | None = None
    text: str | None = None
    holds: str | None = None
    """A file (`~/…`, `marks/…` or `project/…`) that must contain `text`."""
    gone: str | None = None
    """A file that must be gone."""
    alive: str | None = None
    """A process still alive after the command whose command line contains this."""
    strict: bool = False
    """Only the profile `strict` refuses it; `standard` records it, and it happens."""
    despite: tuple[str, ...] = ()
    """Backends that see or kill but cannot surely prevent this one (coverage `killed-after` or `seen`)."""
    landlock: Mapping[str, int] = field(default_factory=dict)
    """Backends that prevent this one by Landlock alone, and the version of it that can."""

    def unheld(self, backend: str) -> bool:
        """Whether this kernel lacks what the backend would prevent it with (coverage says `blind`)."""
        return self.landlock.get(backend, 0) > syscalls.landlock_abi()


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
    direct: bool | None = True
    """Whether the user named it; None: not told at this stage."""
    identity: str = "verified"
    first: tuple[str, ...] = ()
    """The command that runs it for the first time; what it installs is then guarded by a daemon, not wrapped."""
    says: str = ""
    """What that command must print, whatever is refused."""
    allow: tuple[str, ...] = ()
    """What the host's policy lets its packages connect to, as an administrator would list it."""
    twin: str | None = None
    replay: str | None = None
    """Another scenario whose system calls stand for this one's, where it has no `replay/` of its own."""
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
    managers: tuple[str, ...] = ("pip",)
    """Who installs it: each of these is a form of its own."""
    packages_of: str | None = None
    """The scenario whose packages these are, where only the surroundings differ."""
    environment: Mapping[str, str] | None = None
    """Variables that whoever installs has set besides."""
    project: Mapping[str, str] | None = None
    """Files of the user's project, by path."""
    repository: bool = False
    """Whether the project is a git repository."""
    stubs: Mapping[str, str] = field(default_factory=dict)
    """Programs in PATH that leave `marks/stub-NAME` with their arguments, and do this line of shell besides."""
    binaries: Mapping[str, str] | None = None
    """Programs in packages (`NAME/path`), by the C source beside them; without one, a copy of `true`."""
    hosts: tuple[str, ...] = ()
    """Names that lead to the lab's host of prebuilt programs."""
    proxy: bool = False
    """Whether everything goes by the lab's HTTP proxy."""

    @property
    def sources(self) -> list[Path]:
        """Folders of the packages, `NAME-VERSION` each."""
        return _versioned(FOLDER / (self.packages_of or self.id))

    @property
    def repositories(self) -> list[Path]:
        """Folders that the code host serves as git repositories."""
        return _versioned(FOLDER / (self.packages_of or self.id) / "repositories")

    @property
    def guards(self) -> tuple[str, ...]:
        """How it is played: an install also auditing, a first run also under `strict` where that refuses more."""
        if not self.first:
            return (OFF, ENFORCE, AUDIT)
        stricter = self.allow or any(theft.strict for theft in self.theft)
        return (OFF, ENFORCE, STRICT) if stricter else (OFF, ENFORCE)

    def refused(self, backend: str, guard: str = ENFORCE) -> bool:
        """Whether the backend must refuse any of it."""
        expected = [row.expected(backend, guard) for row in self.rows]
        return any(each and each.actions & {"denied", "killed"} for each in expected)

    def told(self, backend: str, guard: str) -> bool:
        """Whether the backend must tell of any of it, if its rows say anything of that."""
        expected = [each for row in self.rows if (each := row.expected(backend, guard))]
        return not expected or any("D" in each.marks for each in expected)

    @property
    def benign(self) -> bool:
        """Whether this is a twin that must draw no refusal."""
        return self.culprit is None


@dataclass(frozen=True, slots=True)
class Form:
    """A scenario as one manager installs it."""

    scenario: Scenario
    manager: str

    @property
    def id(self) -> str:
        """The scenario's, with the manager where it is not the first."""
        first = self.manager == self.scenario.managers[0]
        return self.scenario.id if first else f"{self.scenario.id}@{self.manager}"


def forms() -> list[Form]:
    """Every form of every scenario, in order."""
    return [Form(scenario, manager) for scenario in map(load, names()) for manager in scenario.managers]


def form(name: str) -> Form:
    """The form called `ID` or `ID@MANAGER`."""
    scenario, _, manager = name.partition("@")
    found = load(scenario)
    if manager and manager not in found.managers:
        raise ValueError(f"{name}: {scenario} has the forms {found.managers}")
    return Form(found, manager or found.managers[0])


def load(name: str) -> Scenario:
    """Read the scenario in the folder `name`."""
    data = yaml.safe_load((FOLDER / name / "scenario.yaml").read_text(encoding="utf-8"))
    known = {each.name for each in fields(Scenario)}
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


def _versioned(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*-[0-9]*") if path.is_dir())


def _tupled(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
