"""Runs in the guest: scenarios as bare system calls behind one backend, a line of JSON for each.

``replay.py BACKEND free|held [ID …]``: all scenarios where none are named; `free` adds the positive control. What the
profile `strict` refuses besides is a replay of its own, `ID/strict`.
"""

import fnmatch
import json
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path.insert(0, "/opt/tests")

from lab.guest import Guest
from pratique.backends import choice
from pratique.backends.base import Backend, Host
from pratique.backends.hooks.allowances import Allowances
from pratique.backends.lsm.backend import LsmBackend
from pratique.model import Event
from pratique.policy.model import Policy
from pratique.words import Level
from scenarios.checks import Played, happened
from scenarios.replaying import broken, guarded, play, shipped
from scenarios.replays import Replay, replays
from scenarios.scenario import ENFORCE, STRICT
from scenarios.staged import staged

_PATIENCE = 15.0
"""Seconds for who outlives its parent: an emulated interpreter behind a guard takes some to start."""
_LEVELS = [level.word for level in sorted(Level)]


class Standing(LsmBackend):
    """One loaded guard for run after run, which lets emulated kernels prove them all: each begins by an update."""

    def begin(self, host: Host) -> "Standing":
        """The next run is on these homes."""
        self._host = host
        return self

    def start(self, policy: Policy, run: int) -> None:
        """Load once; afterwards a new run is another policy, on other homes."""
        if not self._opened:
            super().start(policy, run)
            return
        self._run, self._child, self._ended = run, None, None
        self._probes.belong_to(run)
        self._follow_labels()
        self.update(policy)
        hidden = self._name_hidden()
        self._allowances = Allowances(self._lsm, self._files, self._host.homes, self._host.project, hidden)

    def events(self, timeout: float) -> Iterable[Event]:
        """Those of this run: late ends of the one before are not its own."""
        return (event for event in super().events(timeout) if event.run == self._run)

    def close(self) -> None:
        """Not yet."""

    def shut(self) -> None:
        """Now."""
        super().close()


def main(name: str, control: str, *wanted: str) -> None:
    """Print what came of each."""
    standing = Standing(Host([], "/", ()))
    make = standing.begin if name == "lsm" else lambda host: choice.choose(name, host)[0]
    policies: dict[str, Policy] = {}
    try:
        for each in replays(name):
            for guard, shown in each.guards.items():
                if not wanted or shown in wanted:
                    told = _played(each, make, control if guard == ENFORCE else "held", guard, policies)
                    print(json.dumps({"id": shown, **told}), flush=True)
    finally:
        standing.shut()


def _played(
    each: Replay, make: Callable[[Host], Backend], control: str, guard: str, policies: dict[str, Policy]
) -> dict[str, object]:
    lacks = [need for need in each.needs if not (shutil.which(need) or Path("/usr/include", need).exists())]
    if lacks:
        return {"lacks": lacks}
    free = _free(each) if control == "free" else []
    with Guest(each.scenario.metadata) as place, staged(each.scenario, place):
        played = guarded(each, place, make, _policy(each, place, guard, policies), guard, _PATIENCE)
        return {
            "free": free,
            "broken": [*broken(played), *_blamed(played)],
            "level": _level(played),
            "leaked": _leaked(place),
        }


def _policy(each: Replay, place: Guest, guard: str, policies: dict[str, Policy]) -> Policy | None:
    """Compiled once, but for whose host lists something; nobody here has rules of their own."""
    if guard == STRICT and each.scenario.allow:
        return None
    if guard not in policies:
        policies[guard] = shipped(place, guard)
    return policies[guard]


def _free(each: Replay) -> list[str]:
    with Guest(each.scenario.metadata) as place:
        return play(each, place, patience=_PATIENCE)


def _refusals(played: Played) -> list[dict[str, object]]:
    return [each for each in played.outcome.findings if each["action"] in ("denied", "killed")]


def _blamed(played: Played) -> list[str]:
    """Each refusal that names another package or stage than the scenario's."""
    scenario = played.scenario
    return [
        f"blamed on {each['package']} at {each['stage']}: {each['act']} {each['target']}"
        for each in _refusals(played)
        if not fnmatch.fnmatchcase(str(each["package"]), str(scenario.culprit))
        or each["stage"] != scenario.stage
    ]


def _level(played: Played) -> str:
    """The weakest answer to what was to be refused; `clean` where nothing was."""
    if any(each.unheld(played.backend) and happened(each, played) for each in played.scenario.theft):
        return Level.BLIND.word
    levels = [str(each["level"]) for each in _refusals(played)]
    if levels:
        return max(levels, key=_LEVELS.index)
    return "seen" if played.outcome.findings else "clean"


def _leaked(place: Guest) -> int:
    """Bytes of canaries that the sink has."""
    received = place.sink.received()
    return sum(received.count(secret.encode()) * len(secret) for secret in place.home.canaries.values())


main(*sys.argv[1:])
