"""First runs: a made-up user installs a package and then runs it; a daemon guards both, and nothing is wrapped."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from lab.chance import chance
from lab.daemon import USER, Daemon, Where, as_user, environment, hand_to_user, shed, until, user_venv
from lab.errors import LabError
from lab.guard import Outcome, run
from lab.homes import Home, House
from lab.installers import INSTALLERS
from lab.ledger import HOMES, new_folder
from lab.network import everywhere
from lab.packages import filled
from lab.residue import left_since, snapshot
from lab.world import World
from scenarios.checks import Played
from scenarios.scenario import ENFORCE, OFF, STRICT, Form, Scenario
from scenarios.staged import listed, staged, variables
from uv_program import uv_program

_PATIENCE = 40
_EVERYWHERE = [{"PREBUILT": address} for address in everywhere("prebuilt")]
"""A policy is read before the lab's addresses are drawn."""


class Watch:
    """A daemon, and a house for each scenario that it knows from its start; unguarded, only the houses."""

    def __init__(self, wanted: Sequence[Form], guard: str) -> None:
        self._scenarios = [each.scenario for each in wanted]
        self.guard = guard
        self._stack = ExitStack()
        self._daemon: Daemon | None = None
        self._houses: dict[str, list[House]] = {}

    def __enter__(self) -> "Watch":
        with ExitStack() as stack:
            for scenario in self._scenarios:
                self._houses.setdefault(scenario.id, []).append(_lay(scenario, stack))
            if self.guard != OFF:
                policy = "".join(_policy(self._scenarios, self.guard))
                path = ":".join([*(str(house.programs) for house in self._all()), os.environ["PATH"]])
                homes = [house.home.folder for house in self._all()]
                self._before = snapshot()
                self._daemon = stack.enter_context(Daemon(None, where=Where(homes, path, policy)))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def close(self) -> list[str]:
        """End the daemon; what it left on the host."""
        self._stack.close()
        return left_since(self._before) if self._daemon else []

    def house(self, scenario: Scenario) -> House:
        """A house of the scenario that nobody has used yet."""
        return self._houses[scenario.id].pop()

    @property
    def backend(self) -> str:
        """Who guards."""
        return str(self._daemon.status()["daemon"]["backend"]) if self._daemon else "hooks"

    @property
    def log(self) -> str:
        """What the daemon said."""
        return self._daemon.log if self._daemon else ""

    def known(self) -> set[str]:
        """The runs that have ended."""
        return {each["id"] for each in self._daemon.status()["ended"]} if self._daemon else set()

    def reports(self, known: set[str]) -> list[dict[str, Any]]:
        """Wait for the runs that nobody knew; what is told of them, oldest first."""
        daemon = self._daemon
        if daemon is None:
            return []
        until(lambda: self.known() - known and not daemon.status()["runs"], _PATIENCE)
        return [daemon.report(each) for each in sorted(self.known() - known)]

    def _all(self) -> list[House]:
        return [house for houses in self._houses.values() for house in houses]


@contextmanager
def played(wanted: Form, watch: Watch) -> Iterator[Played]:
    """Install and run it once; what came of it, for as long as its surroundings stand."""
    scenario = wanted.scenario
    with _world(scenario, watch.house(scenario)) as world, staged(scenario, world):
        hand_to_user(world)
        known = watch.known()
        _install(wanted, world, watch.guard)
        install = next(iter(watch.reports(known)), None)
        known = watch.known()
        outcome = _first(scenario, world)
        reports = watch.reports(known)
        if len(reports) > 1:
            raise LabError(f"{wanted.id}: {len(reports)} runs instead of one\n{watch.log}")
        told = _reported(outcome, next(iter(reports), None))
        yield Played(scenario, world, told, watch.guard, watch.backend, [], wanted.manager, install)


def _lay(scenario: Scenario, stack: ExitStack) -> House:
    """Whatever a guard looks for must be there before the guard is."""
    home, programs = new_folder("home", HOMES), new_folder("programs")
    for folder in (home, programs):
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
    house = House(Home(home, chance(f"house-{scenario.id}")), programs)
    for name in scenario.home:
        house.home.add(name)
    for name in scenario.stubs:
        (programs / name).touch(0o755)
    for folder in (home, programs):
        _give(folder)
    return house


def _policy(scenarios: Sequence[Scenario], guard: str) -> Iterator[str]:
    """What an administrator would have written: the profile, and what is listed for some packages."""
    if guard == STRICT:
        yield f'profile = "{STRICT}"\n'
    yield from (listed(scenario, _EVERYWHERE) for scenario in scenarios)


def _give(top: Path) -> None:
    for path in (top, *top.rglob("*")):
        os.chown(path, USER, USER)
    top.chmod(0o755)


def _world(scenario: Scenario, house: House) -> World:
    return World(
        scenario.sources,
        metadata=scenario.metadata,
        hosts=scenario.hosts,
        binaries=scenario.binaries,
        house=house,
        wheels=True,
    )


def _install(wanted: Form, world: World, guard: str) -> None:
    names = wanted.scenario.install
    done = _by_npm(world, names) if wanted.manager == "npm" else _python_install(world, names, guard)
    if done.status != 0:
        raise LabError(f"{wanted.id} could not be installed: {done.out[-400:]}{done.err[-800:]}")


def _python_install(world: World, names: Sequence[str], guard: str) -> Outcome:
    """By pip under `standard`; else by uv, which is as real and ten times as fast."""
    house = world.folder / "house"
    python = str(user_venv() / "bin" / "python3")
    subprocess.run([python, "-m", "venv", "--without-pip", str(house)], check=True, timeout=60)
    hand_to_user(world)
    source, into = ["--index-url", world.index.url], ["--python", str(house / "bin" / "python")]
    uv = None if guard == ENFORCE else uv_program()
    if uv is None:
        return as_user(world, ["pip", *into, "install", "--trusted-host", world.index.host, *source, *names])
    return as_user(world, [str(uv), "pip", "install", *into, *source, *names])


def _by_npm(world: World, names: Sequence[str]) -> Outcome:
    npm = INSTALLERS["npm"]
    command = world.room.inside(shed(npm.command(world, names, False)))
    return run(command, npm.environment(world), npm.cwd(world))


def _first(scenario: Scenario, world: World) -> Outcome:
    words = world.words()
    command = [filled(word.encode(), words).decode() for word in scenario.first]
    return run(shed(command), _environment(scenario, world), world.project)


def _environment(scenario: Scenario, world: World) -> Mapping[str, str]:
    held = environment(world)
    path = f"{world.folder / 'house' / 'bin'}:{world.programs}:{held['PATH']}"
    return {**held, "PATH": path, **variables(scenario, world)}


def _reported(outcome: Outcome, report: dict[str, Any] | None) -> Outcome:
    return Outcome(
        outcome.status,
        outcome.out,
        outcome.err,
        outcome.seconds,
        outcome.survivors,
        outcome.survivor_lines,
        report,
    )
