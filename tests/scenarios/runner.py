"""Runs a scenario with the guard off, on, and in audit mode, and says what of it was as it must be.

`python -m scenarios [--guard off|enforce|audit] [ID …]` from `tests/` prints one line per run.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab.chance import seed, shuffled
from lab.errors import LabError
from lab.guard import Outcome, guarded, run
from lab.installers import INSTALLERS
from lab.residue import left_since, snapshot
from lab.template import has_setuptools
from lab.world import World
from scenarios import first_runs, page
from scenarios.checks import Played, broken
from scenarios.scenario import AUDIT, ENFORCE, OFF, STRICT, Form, Scenario, form, forms
from scenarios.staged import staged, variables
from scenarios.tally import Tally, tallied

_GUARDS = (OFF, ENFORCE, AUDIT, STRICT)
_ROOTLESS = "rootless"
_USER = "PRATIQUE_LAB_USER"
"""An environment variable: the number of a user without privilege, by whom everything is installed."""


@dataclass(frozen=True, slots=True)
class Result:
    """One run of a scenario: the outcome, and every promise it broke in words."""

    outcome: Outcome
    broken: list[str]
    tally: Tally | None
    """What an enforcing run showed; None of the others."""


def missing(scenario: Scenario, manager: str = "pip") -> str | None:
    """Why the scenario cannot run on this host, or None."""
    for need in scenario.needs:
        if need == "setuptools" and not has_setuptools():
            return "setuptools could not be fetched once for the lab's environment"
        if need != "setuptools" and not (shutil.which(need) or Path("/usr/include", need).exists()):
            return f"{need} is not installed"
    taken = next((path for path in scenario.system or {} if Path(path).exists()), None)
    return f"{taken} exists on this host" if taken else INSTALLERS[manager].missing()


def play(wanted: Form, guard: str, backend: str = "hooks") -> Result:
    """Install it once; `guard` is `off` (the positive control), `enforce` or `audit`, by the backend named."""
    scenario = wanted.scenario
    with ExitStack() as stack:
        world = stack.enter_context(world_for(scenario))
        stack.enter_context(staged(scenario, world))
        before = snapshot()
        outcome = _outcome(wanted, world, guard, backend)
        left = left_since(before)
        played = Played(scenario, world, outcome, guard, backend, left, wanted.manager)
        return Result(outcome, list(broken(played)), tallied(played) if guard == ENFORCE else None)


def play_first(wanted: Form, watch: first_runs.Watch) -> Result:
    """Install it and run it for the first time, guarded by the daemon of `watch`, if it has one."""
    with first_runs.played(wanted, watch) as seen:
        return Result(seen.outcome, list(broken(seen)), tallied(seen) if seen.enforced else None)


def world_for(scenario: Scenario) -> World:
    """The surroundings it wants, not yet entered."""
    return World(
        scenario.sources,
        metadata=scenario.metadata,
        repositories=scenario.repositories,
        hosts=scenario.hosts,
        binaries=scenario.binaries,
    )


def _outcome(wanted: Form, world: World, guard: str, backend: str) -> Outcome:
    scenario, installer = wanted.scenario, INSTALLERS[wanted.manager]
    command = installer.command(world, scenario.install, scenario.isolated)
    environment = installer.environment(world) | variables(scenario, world) | _proxied(scenario, world)
    report = world.folder / "report.json"
    if guard == OFF:
        command[0] = shutil.which(command[0], path=environment["PATH"]) or command[0]
    else:
        command = guarded(command, report, "--mode", guard, "--backend", backend)
    command, environment = _for_user(command, environment, world)
    return run(world.room.inside(command), environment, installer.cwd(world), report)


def _for_user(
    command: list[str], environment: dict[str, str], world: World
) -> tuple[list[str], dict[str, str]]:
    """The same by a person without privilege, to whom it all belongs; what is proved of the host is kept for all."""
    user = os.environ.get(_USER)
    if not user:
        return command, environment
    state = Path(tempfile.gettempdir()) / f"pratique-parity-{user}"
    state.mkdir(exist_ok=True)
    for top in (world.folder, world.home.folder, state):
        for path in (top, *top.rglob("*")):
            os.chown(path, int(user), int(user), follow_symlinks=False)
    return [*_as(user), *command], environment | {"XDG_STATE_HOME": str(state)}


@cache
def _as(user: str) -> list[str]:
    """What starts a command as that user, who must be able to start this Python."""
    drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]
    # By a shell: what setpriv itself starts is still looked up with what it had.
    start = ["sh", "-c", 'exec "$0" -c ""', sys.executable]
    if subprocess.run([*drop, *start], check=False, capture_output=True, timeout=60).returncode:
        raise LabError(
            f"user {user} cannot start {sys.executable}: `make setup` with a Python outside your home, "
            "in a checkout that others may read"
        )
    return drop


def _proxied(scenario: Scenario, world: World) -> dict[str, str]:
    names = ("HTTP_PROXY", "http_proxy", "npm_config_proxy") if scenario.proxy else ()
    return dict.fromkeys(names, world.proxy.url)


def main() -> int:
    """Play the named forms (all by default) and print what each broke."""
    parser = argparse.ArgumentParser(prog="python -m scenarios", description=__doc__.splitlines()[0])
    parser.add_argument("--guard", choices=_GUARDS, help="only with the guard so (default: all that it has)")
    parser.add_argument("--backend", default="hooks", help="who guards (default: hooks)")
    parser.add_argument("--page", action="store_true", help="write what was seen into docs/scenarios.md")
    parser.add_argument("id", nargs="*", help="forms, as ID or ID@MANAGER (default: all)")
    args = parser.parse_args()
    sys.stdout.write(f"PRATIQUE_SEED={seed()}\n")
    wanted = [form(name) for name in args.id] or shuffled("scenarios", forms())
    seen: dict[tuple[str, str], Tally] = {}
    failed = 0
    for each, guard, result in _results(
        wanted, _GUARDS if args.guard is None else (args.guard,), args.backend
    ):
        failed += _told(each, guard, result, seen)
        if args.page:  # at once: what was seen is not lost when a later one hangs
            page.write(seen)
    return 1 if failed else 0


def _results(
    wanted: Sequence[Form], guards: Sequence[str], backend: str
) -> Iterator[tuple[Form, str, Result | str]]:
    """Play all: what came of each, or why it was not played. A daemon is one for all first runs."""
    for each in (each for each in wanted if not each.scenario.first):
        for guard in (guard for guard in guards if guard in each.scenario.guards):
            yield each, guard, missing(each.scenario, each.manager) or play(each, guard, backend)
    for guard in guards:
        firsts = [each for each in wanted if each.scenario.first and guard in each.scenario.guards]
        if backend == _ROOTLESS:
            yield from ((each, guard, "a daemon is root's") for each in firsts)
            continue
        with first_runs.Watch(firsts, guard) if firsts else nullcontext() as watch:
            for each in firsts:
                yield each, guard, missing(each.scenario, each.manager) or play_first(each, watch)


def _told(wanted: Form, guard: str, result: Result | str, seen: dict[tuple[str, str], Tally]) -> bool:
    """Say what came of it; true when a promise was broken."""
    if isinstance(result, str):
        sys.stdout.write(f"skip  {wanted.id:16} {guard:8} {result}\n")
        return False
    if result.tally:
        seen[wanted.id, guard] = result.tally
    word = "FAIL" if result.broken else "ok"
    sys.stdout.write(
        f"{word:5} {wanted.id:16} {guard:8} {result.outcome.seconds:5.1f} s  {wanted.scenario.title}\n"
    )
    sys.stdout.writelines(f"      - {line}\n" for line in result.broken)
    sys.stdout.flush()
    return bool(result.broken)


if __name__ == "__main__":
    sys.exit(main())
