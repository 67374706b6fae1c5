"""`pratique learn`: what a wanted package needs is learned once, and nothing else of it passes (docs/learn.md)."""

import re
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.guard import PRATIQUE, Outcome, guarded, run
from lab.refusing import refusing
from lab.world import World

_PACKAGE = Path(__file__).parent / "packages" / "well-meant-1.0.0"
_PURL = "pkg:pypi/well-meant@1.0.0"
_OURS = '# ours\n[[deny]]  # kept\nreason = "caches are shared"\nwrite = ["~/.cache/well-meant/**"]\n'
_WANTED = ["fetched", "kept", "probed"]


@dataclass(frozen=True, slots=True)
class Place:
    """A project with a policy of its own, and a package that is wanted although that policy refuses it."""

    world: World

    @property
    def file(self) -> Path:
        """The project's policy."""
        return self.world.folder / "pratique.toml"

    @property
    def install(self) -> list[str]:
        """Installs the package."""
        return self.world.install("-q", "--upgrade", "well-meant")

    def start(self, command: list[str], report: Path | None = None, **more: str) -> Outcome:
        """Run a command here, as if for the first time."""
        self.world.sink.deliveries.clear()
        for trace in (self._mark, self._table):
            trace.unlink(missing_ok=True)
        return run(command, self.world.environment() | more, self.world.folder, report)

    def guarded(self, **more: str) -> Outcome:
        """Install under guard."""
        report = self.world.folder / "report.json"
        return self.start(guarded(self.install, report), report, **more)

    def pratique(self, *words: str) -> Outcome:
        """Call another sub-command."""
        return run([str(PRATIQUE), *words], self.world.environment(), self.world.folder)

    def had(self) -> list[str]:
        """What the package achieved, by its traces outside."""
        sent, token = self.world.sink.received(), self.world.token
        traces = {
            "fetched": f"/{token}/table".encode() in sent,
            "kept": self._table.exists() and self._table.read_text(encoding="utf-8") == token,
            "probed": self._mark.exists(),
            "more": f"/{token}/more".encode() in sent,
        }
        return [name for name, seen in traces.items() if seen]

    @property
    def _mark(self) -> Path:
        return self.world.folder / "marks" / "probe"

    @property
    def _table(self) -> Path:
        return self.world.home.path("~/.cache/well-meant/table")


@pytest.fixture(scope="module")
def place(guard: None) -> Iterator[Place]:
    """Lay the project out."""
    with World([_PACKAGE]) as world:
        world.home.add("~/.cache/well-meant/")
        made = Place(world)
        made.file.write_text(_OURS, encoding="utf-8")
        yield made


def test_learned_once_it_passes_and_nothing_else_does(place: Place) -> None:
    """Audit, `--write`, trust: the enforced install is clean; an act that was not learned is refused as before."""
    refused = place.guarded()
    assert refused.status != 0
    assert "fetched" not in place.had()

    observed = place.start([str(PRATIQUE), "learn", "--", *place.install])
    assert observed.status == 0, observed.err
    assert place.had() == _WANTED
    assert place.file.read_text(encoding="utf-8") == _OURS

    name = _run_of(observed)
    written = place.pratique("learn", "--from", name, "--write")
    assert written.status == 0, written.err
    assert written.out == observed.out
    _check_file(place, name)
    again = place.pratique("learn", "--from", name, "--write")
    assert (again.status, again.out) == (0, "")
    assert "nothing to propose; 3 acts allowed already" in again.err

    untrusted = place.guarded()
    assert untrusted.status != 0
    assert place.pratique("policy", "trust").status == 0
    passed = place.guarded()
    assert passed.status == 0, passed.err
    assert place.had() == _WANTED
    assert _refused(passed) == []

    twin = place.guarded(WELL_MEANT="more")
    assert twin.status == 3, twin.err
    assert place.had() == _WANTED
    assert _refused(twin) == [("net.connect", 8443, "denied", _PURL)]


def test_positive_control(place: Place) -> None:
    """Without a guard the package does all of it, and more when it is told to."""
    pip = shutil.which("pip", path=place.world.environment()["PATH"])
    assert pip is not None
    install = [pip, *place.install[1:]]
    assert place.start(install).status == 0
    assert place.had() == _WANTED

    place.start(install, WELL_MEANT="more")
    assert place.had() == [*_WANTED, "more"]


def test_without_a_guard_nothing_starts(place: Place) -> None:
    """Where the guard cannot be set up: 125, and neither the command ran nor anything was proposed."""
    mark = place.world.folder / "started"
    learning = f"{PRATIQUE} learn -- touch {mark}"
    outcome = place.start(
        refusing(
            "seccomp",
            ["unshare", "-m", "sh", "-c", f"mount -t tmpfs none /sys/kernel/btf && exec {learning}"],
        )
    )

    assert (outcome.status, outcome.out) == (125, "")
    assert "hooks: this kernel does not describe its types" in outcome.err
    assert not mark.exists()


def test_inside_a_run_nothing_starts(place: Place) -> None:
    """The outer run would refuse what is to be observed, so the inner one does not begin."""
    mark = place.world.folder / "started"
    outcome = place.pratique("run", "--", str(PRATIQUE), "learn", "--", "touch", str(mark))

    assert outcome.status == 125
    assert "pratique learn --from" in outcome.err
    assert not mark.exists()


def test_the_commands_status_is_passed_on(place: Place) -> None:
    """Learning from a command that fails says so, and fails as it did."""
    outcome = place.pratique("learn", "--", "sh", "-c", "exit 7")

    assert outcome.status == 7
    assert "ended with 7" in outcome.out


def _run_of(observed: Outcome) -> str:
    found = re.search(r"learned from run (\w{26}) on", observed.out)
    assert found, observed.out
    return found[1]


def _check_file(place: Place, name: str) -> None:
    """The user's part is untouched; one stanza, of the exact package and digest, lists what was seen."""
    text = place.file.read_text(encoding="utf-8")
    home, sink = place.world.home.folder, place.world.network.sink
    assert text.startswith(_OURS)
    (stanza,) = tomllib.loads(text)["allow"]
    assert stanza.pop("digest").startswith("sha256-")
    assert name in stanza.pop("reason")
    assert stanza == {
        "package": _PURL,
        "stage": ["build"],
        "connect": [f"{sink}:8080"],
        "write": [f"{home}/.cache/well-meant/table"],
        "exec": [f"{home}/.cache/well-meant-tool"],
    }


def _refused(outcome: Outcome) -> list[tuple[Any, ...]]:
    return [
        (finding["act"], finding["target"].get("port"), finding["action"], finding["package"])
        for finding in outcome.findings
        if finding["action"] != "audited"
    ]
