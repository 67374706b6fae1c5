"""What a scenario finds when it begins, beside the lab itself: files, sockets, a neighbour, the sink's answers."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from lab.brokers import broker
from lab.homes import Home
from lab.ledger import exclusive, system_place
from lab.packages import filled
from lab.sink import Sink
from scenarios.scenario import Scenario


class Place(Protocol):
    """Where a scenario plays: `lab.world.World`, or `lab.guest.Guest` on a machine of its own."""

    home: Home
    sink: Sink
    prebuilt: Sink
    folder: Path
    token: str

    @property
    def project(self) -> Path:
        """The user's project."""

    @property
    def programs(self) -> Path:
        """A folder that stands first in PATH."""

    def words(self) -> dict[str, str]:
        """Map what replicas may name (`@SINK@` and so on) to what it is here."""

    def leaks(self) -> list[str]:
        """Name the decoys whose secret reached the sink."""


def variables(scenario: Scenario, place: Place) -> dict[str, str]:
    """What whoever installs has set besides, for this scenario."""
    words = place.words()
    return {
        name: filled(text.encode(), words).decode() for name, text in (scenario.environment or {}).items()
    }


def listed(scenario: Scenario, drawn: Sequence[Mapping[str, str]]) -> str:
    """What an administrator would have written for its packages: where they fetch from, by each set of words."""
    hosts = [filled(text.encode(), words).decode() for text in scenario.allow for words in drawn]
    rows = (f'[[allow]]\npackage = "{purl}"\nconnect = {json.dumps(hosts)}\n' for purl in purls(scenario))
    return "".join(f'{row}reason = "listed"\n' for row in rows) if hosts else ""


def purls(scenario: Scenario) -> list[str]:
    """Its packages, whatever their version."""
    return [f"pkg:pypi/{source.name.rpartition('-')[0]}" for source in scenario.sources]


@contextmanager
def staged(scenario: Scenario, place: Place) -> Iterator[None]:
    """Have everything there that the scenario names, and nothing of it afterwards."""
    place.sink.answers = place.prebuilt.answers = {
        path: filled(text.encode(), place.words()) for path, text in (scenario.answers or {}).items()
    }
    for name in scenario.home:
        place.home.add(name)
    _lay_project(scenario, place)
    for name, line in scenario.stubs.items():
        _stub(name, line, place)
    with ExitStack() as stack:
        _lend(scenario, place, stack)
        if scenario.neighbour:
            stack.enter_context(_neighbour(scenario.neighbour, place.token))
        yield


def _lay_project(scenario: Scenario, place: Place) -> None:
    for name, text in (scenario.project or {}).items():
        path = place.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(filled(text.encode(), place.words()))
    if scenario.repository:
        subprocess.run(["git", "init", "-q", str(place.project)], check=True, timeout=20)


def _stub(name: str, line: str, place: Place) -> None:
    path = place.programs / name
    trace = f'echo "ran-{place.token} $*" >> {place.words()["MARKS"]}/stub-{name}'
    path.write_text(f"#!/bin/sh\n{trace}\n{line}\n", encoding="utf-8")
    path.chmod(0o755)


def _lend(scenario: Scenario, place: Place, stack: ExitStack) -> None:
    if scenario.system:
        stack.enter_context(exclusive("system"))
    for path, kind in (scenario.system or {}).items():
        lent = stack.enter_context(system_place(Path(path)))
        if kind == "socket":
            stack.enter_context(broker(lent))
        else:
            lent.write_text(kind.replace("@TOKEN@", place.token), encoding="utf-8")


@contextmanager
def _neighbour(name: str, token: str) -> Iterator[None]:
    command = [sys.executable, "-c", "import time; time.sleep(120)", f"{name}-{token}"]
    environment = {"DEPLOY_KEY": f"neighbour-{token}"}
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        try:
            yield
        finally:
            process.kill()
