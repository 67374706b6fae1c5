"""Runs replays: unguarded as positive control, or behind any backend, labelled by hand as package code.

As root, `python -m scenarios.replaying [ID …]` from `tests/` runs them unguarded on this machine's own loopback
addresses: in a network namespace (`unshare --net`) that touches nothing of the host.
"""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.guard import Outcome, run
from lab.guest import Guest
from pratique import host, managers
from pratique.backends.base import Backend, Command, Ended, Host
from pratique.policy import allows, cache, sources
from pratique.policy.model import Allow, Policy
from pratique.runs import report
from pratique.runs.attribution import Origin
from pratique.runs.run import Run, Settled
from scenarios.checks import Played, rows_broken, thefts_broken
from scenarios.replays import GATE, Replay, replay
from scenarios.scenario import ENFORCE, OFF, STRICT, names
from scenarios.staged import Place, listed, staged

_LIMIT = 60.0
_PATIENCE = 2.0
"""Seconds for who outlives the command; where an interpreter takes that long to start, more."""


def play(
    wanted: Replay,
    place: Place,
    backend: Callable[[Host], Backend] | None = None,
    policy: Policy | None = None,
    guard: str = ENFORCE,
    patience: float = _PATIENCE,
) -> list[str]:
    """Run it once in `place`; every promise it broke, in words. Without a backend: the positive control.

    `backend` makes one from a `Host`; `policy` is the shipped one in `guard` mode unless another is given.
    """
    with staged(wanted.scenario, place):
        if backend is None:
            return list(broken(_unguarded(wanted, place, patience)))
        return list(broken(guarded(wanted, place, backend, policy, guard, patience)))


def broken(played: Played) -> Iterator[str]:
    """What of a replay was not as it must be: thefts, and the findings owed."""
    yield from thefts_broken(played)
    if played.guard != OFF:
        yield from rows_broken(played)


def _unguarded(wanted: Replay, place: Place, patience: float) -> Played:
    command = wanted.lay(place)
    opener = _Gate(command)
    opener.start()
    outcome = run(command.argv, command.environment, Path(command.cwd), patience=patience)
    return Played(wanted.scenario, place, outcome, OFF, wanted.backend, [])


def guarded(
    wanted: Replay,
    place: Place,
    make: Callable[[Host], Backend],
    policy: Policy | None = None,
    guard: str = ENFORCE,
    patience: float = _PATIENCE,
) -> Played:
    """Run it behind a backend that is labelled by hand; `Played` holds the report's findings."""
    command = wanted.lay(place)
    machine = Host(host.homes(command.environment), str(place.project), managers.patterns())
    policy = policy or shipped(place, guard, lists=listed(wanted.scenario, [place.words()]))
    loop = _Loop(wanted, command, make(machine), policy, str(place.project), patience)
    with _path(command.environment["PATH"]):
        outcome = loop.outcome()
    return Played(wanted.scenario, place, outcome, guard, wanted.backend, [])


@contextmanager
def _path(path: str) -> Iterator[None]:
    """A guard looks for listed programs where the person who starts it has them."""
    before = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = path
    try:
        yield
    finally:
        os.environ["PATH"] = before


def shipped(place: Place, mode: str = ENFORCE, rules: Path | None = None, lists: str = "") -> Policy:
    """The shipped policy, or that of another folder of rules, for the place's home; with what a collector pushed."""
    home, state = str(place.home.folder), str(place.folder / "state")
    if lists:
        pushed = place.folder / "state" / "collector"
        pushed.mkdir(parents=True, exist_ok=True)
        (pushed / "lab.toml").write_text(lists, encoding="utf-8")
    profile, mode = (STRICT, ENFORCE) if mode == STRICT else (None, mode)
    return cache.load(
        sources.Request(
            home=home, profile=profile, mode=mode, state=state, rules=str(rules) if rules else None
        )
    )


@dataclass(slots=True)
class _Gate:
    """Opens the gate of a command once the command waits there."""

    command: Command
    opened: bool = False

    def start(self) -> None:
        """Open it from a thread, within the time limit."""
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        deadline = time.monotonic() + _LIMIT
        while not self.tried() and time.monotonic() < deadline:
            time.sleep(0.01)

    def tried(self) -> bool:
        """Whether it is open; tries to open it."""
        if not self.opened:
            try:
                os.close(os.open(Path(self.command.cwd, GATE), os.O_WRONLY | os.O_NONBLOCK))
                self.opened = True
            except OSError:  # nobody waits there yet
                return False
        return True


@dataclass(slots=True)
class _Loop:
    """Carries events from a backend to a run, as a session does, for a command labelled by hand."""

    wanted: Replay
    command: Command
    backend: Backend
    policy: Policy
    project: str
    patience: float
    survivors: list[int] = field(default_factory=list)

    def outcome(self) -> Outcome:
        """Start, let go, wait for the end, and report."""
        began = time.monotonic()
        kept = Run(
            self.policy,
            self.command.argv,
            self.command.cwd,
            self.command.environment,
            self.wanted.backend,
            {},
        )
        self.backend.start(self.policy, kept.number)
        try:
            self._carry(kept)
            kept.survivors(self.survivors)
            self.backend.finish()
            self._events(kept, 0)
            ended = self.backend.ended() or Ended(None, 9)
            kept.ended(ended.exit_status, ended.signal, self.backend.losses().total, self.backend.counts())
        finally:
            self.backend.close()
        told = report.build(kept.summary())
        lines = tuple(map(str, self.survivors))
        return Outcome(ended.status, "", "", time.monotonic() - began, (), lines, told)

    def _carry(self, kept: Run) -> None:
        pid, settlement = self.backend.spawn(self.command), self.wanted.settlement
        kept.started(pid)
        self.backend.label(pid, settlement, self._granted)
        origin = Origin(1, pid, tuple(self.command.argv), self.command.cwd, None, settlement)
        gate, deadline = _Gate(self.command), time.monotonic() + _LIMIT
        while not gate.tried() and self.backend.ended() is None and time.monotonic() < deadline:
            self._events(kept, 0.05)
        # Only now has the command's own exec been told, which would have undone this.
        self._events(kept, 0)
        kept.settled([origin], Settled(pid, settlement.actor, settlement.stage, 1, None))
        while self.backend.ended() is None and time.monotonic() < deadline:
            self._events(kept, 0.05)
        self.survivors = self._settled(kept)

    def _settled(self, kept: Run) -> list[int]:
        """Who outlives the command; what they do meanwhile is answered, by a guard that answers in this loop."""
        deadline = time.monotonic() + self.patience
        while (left := self.backend.survivors()) and time.monotonic() < deadline:
            self._events(kept, 0.05)
        return left

    def _events(self, kept: Run, timeout: float) -> None:
        for event in self.backend.events(timeout):
            kept.add(event)
            if event.exec is not None and event.exec.pending:
                self.backend.settle(event, self.wanted.settlement, event.origin, self._granted)

    @property
    def _granted(self) -> list[Allow]:
        settlement = self.wanted.settlement
        return allows.allows_for(self.policy, settlement.identity, settlement.stage)


def main() -> int:
    """Replay the named scenarios (all by default) unguarded, and print what each broke."""
    failed = 0
    for name in sys.argv[1:] or names():
        wanted = replay(name)
        if wanted is None or any(shutil.which(need) is None for need in wanted.needs):
            sys.stdout.write(f"skip  {name}\n")
            continue
        with Guest(wanted.scenario.metadata) as place:
            lines = play(wanted, place)
        failed += bool(lines)
        sys.stdout.write(f"{'FAIL' if lines else 'ok':5} {name}\n")
        sys.stdout.writelines(f"      - {line}\n" for line in lines)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
