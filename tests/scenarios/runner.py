"""Runs a scenario with the guard off, on, and in audit mode, and says what of it was as it must be.

`python -m scenarios.runner [--guard off|enforce|audit] [ID …]` from `tests/` prints one line per check.
"""

import argparse
import shutil
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from lab.guard import Outcome, guarded, run
from lab.residue import left_since, snapshot
from lab.template import has_setuptools, template
from lab.world import World
from scenarios.checks import AUDIT, ENFORCE, OFF, Played, broken
from scenarios.scenario import Scenario, load, names
from scenarios.staged import staged


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
        stack.enter_context(staged(scenario, world))
        before = snapshot()
        command = _command(scenario, world, guard)
        outcome = run(command, world.environment(), world.folder, world.folder / "report.json")
        left = left_since(before)
        return Result(outcome, list(broken(Played(scenario, world, outcome, guard, backend, left))))


def _command(scenario: Scenario, world: World, guard: str) -> list[str]:
    install = world.install(*scenario.install, isolated=scenario.isolated)
    if guard == OFF:
        return [str(template() / "bin" / install[0]), *install[1:]]
    return guarded(install, world.folder / "report.json", "--mode", guard)


def main() -> int:
    """Play the named scenarios (all by default) and print what each broke."""
    parser = argparse.ArgumentParser(prog="scenarios.runner", description=__doc__.splitlines()[0])
    parser.add_argument("--guard", choices=(OFF, ENFORCE, AUDIT), default=OFF)
    parser.add_argument("id", nargs="*", default=names())
    args = parser.parse_args()
    failed = 0
    for name in args.id:
        scenario = load(name)
        if reason := missing(scenario):
            sys.stdout.write(f"skip  {name:12} {reason}\n")
            continue
        result = play(scenario, args.guard)
        failed += bool(result.broken)
        word, seconds = "FAIL" if result.broken else "ok", result.outcome.seconds
        sys.stdout.write(f"{word:5} {name:12} {seconds:5.1f} s  {scenario.title}\n")
        sys.stdout.writelines(f"      - {line}\n" for line in result.broken)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
