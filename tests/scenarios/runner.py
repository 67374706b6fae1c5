"""Runs a scenario with the guard off, on, and in audit mode, and says what of it was as it must be.

`python -m scenarios.runner [--guard off|enforce|audit] [ID …]` from `tests/` prints one line per check.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from lab.chance import seed
from lab.guard import Outcome, guarded, run
from lab.installers import INSTALLERS
from lab.packages import filled
from lab.residue import left_since, snapshot
from lab.template import has_setuptools
from lab.world import World
from scenarios.checks import AUDIT, ENFORCE, OFF, Played, broken
from scenarios.scenario import Form, Scenario, form, forms
from scenarios.staged import staged


@dataclass(frozen=True, slots=True)
class Result:
    """One run of a scenario: the outcome, and every promise it broke in words."""

    outcome: Outcome
    broken: list[str]


def missing(scenario: Scenario, manager: str = "pip") -> str | None:
    """Why the scenario cannot run on this host, or None."""
    for need in scenario.needs:
        if need == "setuptools" and not has_setuptools():
            return "setuptools could not be fetched once for the lab's environment"
        if need != "setuptools" and not (shutil.which(need) or Path("/usr/include", need).exists()):
            return f"{need} is not installed"
    taken = next((path for path in scenario.system or {} if Path(path).exists()), None)
    return f"{taken} exists on this host" if taken else INSTALLERS[manager].missing()


def play(wanted: Form, guard: str, *options: str, backend: str = "hooks") -> Result:
    """Run it once; `guard` is `off` (the positive control), `enforce` or `audit`; options are for `pratique run`."""
    scenario = wanted.scenario
    with ExitStack() as stack:
        world = stack.enter_context(world_for(scenario))
        stack.enter_context(staged(scenario, world))
        before = snapshot()
        outcome = _outcome(wanted, world, guard, options)
        left = left_since(before)
        played = Played(scenario, world, outcome, guard, backend, left, wanted.manager)
        return Result(outcome, list(broken(played)))


def world_for(scenario: Scenario) -> World:
    """The surroundings it wants, not yet entered."""
    return World(
        scenario.sources,
        metadata=scenario.metadata,
        repositories=scenario.repositories,
        hosts=scenario.hosts,
        binaries=scenario.binaries,
    )


def _outcome(wanted: Form, world: World, guard: str, options: Sequence[str]) -> Outcome:
    scenario, installer = wanted.scenario, INSTALLERS[wanted.manager]
    command = installer.command(world, scenario.install, scenario.isolated)
    environment = installer.environment(world) | _variables(scenario, world)
    report = world.folder / "report.json"
    if guard == OFF:
        command[0] = shutil.which(command[0], path=environment["PATH"]) or command[0]
    else:
        command = guarded(command, report, "--mode", guard, *options)
    return run(world.room.inside(command), environment, installer.cwd(world), report)


def _variables(scenario: Scenario, world: World) -> dict[str, str]:
    words = world.words()
    own = {name: filled(text.encode(), words).decode() for name, text in (scenario.environment or {}).items()}
    if scenario.proxy:
        own |= dict.fromkeys(("HTTP_PROXY", "http_proxy", "npm_config_proxy"), world.proxy.url)
    return own


def main() -> int:
    """Play the named scenarios (all by default) and print what each broke."""
    parser = argparse.ArgumentParser(prog="scenarios.runner", description=__doc__.splitlines()[0])
    parser.add_argument("--guard", choices=(OFF, ENFORCE, AUDIT), default=OFF)
    parser.add_argument("id", nargs="*", default=[each.id for each in forms()])
    args = parser.parse_args()
    failed = 0
    sys.stdout.write(f"PRATIQUE_SEED={seed()}\n")
    for name in args.id:
        wanted = form(name)
        if reason := missing(wanted.scenario, wanted.manager):
            sys.stdout.write(f"skip  {name:12} {reason}\n")
            continue
        result = play(wanted, args.guard)
        failed += bool(result.broken)
        word, seconds = "FAIL" if result.broken else "ok", result.outcome.seconds
        sys.stdout.write(f"{word:5} {name:12} {seconds:5.1f} s  {wanted.scenario.title}\n")
        sys.stdout.writelines(f"      - {line}\n" for line in result.broken)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
