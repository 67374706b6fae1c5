"""Runs a scenario with the guard off, on, and in audit mode, and says what of it was as it must be.

`python -m scenarios.runner [--guard off|enforce|audit] [ID …]` from `tests/` prints one line per check.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.brokers import broker
from lab.guard import Outcome, guarded, run
from lab.ledger import exclusive, system_place
from lab.packages import filled
from lab.residue import left_since, snapshot
from lab.template import has_setuptools, template
from lab.world import World
from scenarios.checks import AUDIT, ENFORCE, OFF, Played, broken
from scenarios.scenario import Scenario, load, names


@dataclass(frozen=True, slots=True)
class Result:
    """One run of a scenario: the outcome, and every promise it broke in words."""

    outcome: Outcome
    broken: list[str]


def missing(scenario: Scenario) -> str | None:
    """Why the scenario cannot run on this host, or None."""
    for need in scenario.needs:
        if need == "setuptools" and not has_setuptools():
            return "setuptools could not be fetched once for the lab's environment"
        if need != "setuptools" and shutil.which(need) is None:
            return f"{need} is not installed"
    taken = next((path for path in scenario.system or {} if Path(path).exists()), None)
    return f"{taken} exists on this host" if taken else None


def play(scenario: Scenario, guard: str, backend: str = "hooks") -> Result:
    """Run the scenario once; `guard` is `off` (the positive control), `enforce` or `audit`."""
    with ExitStack() as stack:
        world = stack.enter_context(World(scenario.sources, metadata=scenario.metadata))
        world.sink.answers = _answers(scenario, world)
        for place in scenario.home:
            world.home.add(place)
        stack.enter_context(_lent(scenario, world))
        before = snapshot()
        command = _command(scenario, world, guard, backend)
        outcome = run(command, world.environment(), world.folder, world.folder / "report.json")
        left = left_since(before)
        return Result(outcome, list(broken(Played(scenario, world, outcome, guard, backend, left))))


def _command(scenario: Scenario, world: World, guard: str, backend: str) -> list[str]:
    install = world.install(*scenario.install, isolated=scenario.isolated)
    if guard == OFF:
        return [str(template() / "bin" / install[0]), *install[1:]]
    return guarded(install, world.folder / "report.json", "--mode", guard, "--backend", backend)


def _answers(scenario: Scenario, world: World) -> dict[str, bytes]:
    answers = {}
    for path, text in (scenario.answers or {}).items():
        answers[path] = filled(text.encode(), world.words())
    return answers


@contextmanager
def _lent(scenario: Scenario, world: World) -> Iterator[None]:
    with ExitStack() as stack:
        if scenario.system:
            stack.enter_context(exclusive("system"))
        for path, kind in (scenario.system or {}).items():
            place = stack.enter_context(system_place(Path(path)))
            if kind == "socket":
                stack.enter_context(broker(place))
            else:
                place.write_text(kind.replace("@TOKEN@", world.token), encoding="utf-8")
        if scenario.neighbour:
            stack.enter_context(_neighbour(scenario.neighbour, world))
        yield


@contextmanager
def _neighbour(name: str, world: World) -> Iterator[None]:
    command = [sys.executable, "-c", "import time; time.sleep(120)", f"{name}-{world.token}"]
    environment = {"DEPLOY_KEY": f"neighbour-{world.token}"}
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        try:
            yield
        finally:
            process.kill()


def main() -> int:
    """Play the named scenarios (all by default) and print what each broke."""
    parser = argparse.ArgumentParser(prog="scenarios.runner", description=__doc__.splitlines()[0])
    parser.add_argument("--guard", choices=(OFF, ENFORCE, AUDIT), default=OFF)
    parser.add_argument("--backend", choices=("hooks", "rootless"), default="hooks")
    parser.add_argument("id", nargs="*", default=names())
    args = parser.parse_args()
    failed = 0
    for name in args.id:
        scenario = load(name)
        if reason := missing(scenario):
            sys.stdout.write(f"skip  {name:12} {reason}\n")
            continue
        result = play(scenario, args.guard, args.backend)
        failed += bool(result.broken)
        word, seconds = "FAIL" if result.broken else "ok", result.outcome.seconds
        sys.stdout.write(f"{word:5} {name:12} {seconds:5.1f} s  {scenario.title}\n")
        sys.stdout.writelines(f"      - {line}\n" for line in result.broken)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
