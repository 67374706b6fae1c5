"""Each scenario as bare system calls: what its package code does, without the manager that would run it.

A replay needs Python's standard library, a home of decoys and a sink: enough for a kernel booted for one
test. `replays(backend)` yields them; `scenarios.replaying.play` runs one, without a guard or behind any backend.
"""

import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.packages import filled
from pratique.backends.base import Command
from pratique.model import Identity, Settlement
from pratique.words import Actor, Quality, Stage
from scenarios.scenario import ENFORCE, FOLDER, STRICT, Row, Scenario, load, names
from scenarios.staged import Place, purls, variables

GATE = "go"
"""The FIFO at which a replay waits, in its directory."""
_SCRIPT = f"""
import sys
open({GATE!r}).close()  # waits until the other side opens it: labelled before the first act
import act
act.act()
"""
_STAGES = {stage.word: stage for stage in Stage}


@dataclass(frozen=True, slots=True)
class Replay:
    """The acts of one scenario, and what a backend must make of them."""

    scenario: Scenario
    backend: str
    source: Path
    """Folder of the files it needs; `act.py` in it has `act()`."""

    @property
    def id(self) -> str:
        """The scenario's."""
        return self.scenario.id

    @property
    def guards(self) -> dict[str, str]:
        """How it is played behind a backend, and its name in the table then."""
        names = {ENFORCE: self.id, STRICT: f"{self.id}/{STRICT}"}
        return {guard: name for guard, name in names.items() if guard in self.scenario.guards}

    @property
    def rows(self) -> list[Row]:
        """The findings this backend owes."""
        return [row for row in self.scenario.rows if row.expected(self.backend)]

    @property
    def needs(self) -> list[str]:
        """Programs it starts."""
        return [need for need in self.scenario.needs if need != "setuptools"]

    @property
    def settlement(self) -> Settlement:
        """What the process is to be labelled as before the gate opens."""
        listed = purls(self.scenario)[0] if self.scenario.allow else f"pkg:generic/{self.id}@0"
        identity = Identity(Quality.VERIFIED, self.scenario.culprit or listed, direct=True)
        stage = _STAGES[self.scenario.stage]
        return Settlement(Actor.PACKAGE, stage, identity, new_origin=True, reason="replay")

    def lay(self, place: Place) -> Command:
        """Write it into the place; the command waits at the FIFO `go` in its directory before it acts."""
        folder = place.folder / f"replay-{secrets.token_hex(3)}"
        shutil.copytree(self.source, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for file in folder.rglob("*"):
            if file.is_file():
                file.write_bytes(filled(file.read_bytes(), place.words()))
        (folder / "replay.py").write_text(_SCRIPT, encoding="utf-8")
        os.mkfifo(folder / GATE)
        environment = _environment(place) | variables(self.scenario, place)
        return Command([sys.executable, "-S", "replay.py"], str(folder), environment)


def replays(backend: str = "hooks") -> Iterator[Replay]:
    """Every scenario that can be replayed, with what `backend` owes."""
    for name in names():
        if found := replay(name, backend):
            yield found


def replay(name: str, backend: str = "hooks") -> Replay | None:
    """The replay of one scenario; None where it is nothing without its manager."""
    scenario = load(name)
    source = FOLDER / scenario.replay / "replay" if scenario.replay else FOLDER / name / "replay"
    packages = [] if scenario.replay else scenario.sources
    # What a package does at its first run lies in its module, what it does when it is built beside that.
    places = [source, *packages, *(module for package in packages for module in sorted(package.iterdir()))]
    found = next((folder for folder in places if (folder / "act.py").is_file()), None)
    if found is None and scenario.replay:
        found = next(path for path in load(scenario.replay).sources if (path / "act.py").is_file())
    return Replay(scenario, backend, found) if found else None


def _environment(place: Place) -> dict[str, str]:
    temporary = place.folder / "tmp"
    temporary.mkdir(exist_ok=True)
    return {
        "HOME": str(place.home.folder),
        "PATH": f"{place.programs}:{os.defpath}:/usr/sbin:/sbin",
        "LANG": "C.UTF-8",
        "TMPDIR": str(temporary),
        "PROJECT": str(place.project),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
