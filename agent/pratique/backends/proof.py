"""How coverage is proved: each row is tried in a guarded child, and unguarded as positive control.

A row never claims more than was observed, nor more than the mechanism can promise: an attempt that happened
to be stopped in time by something that usually comes too late stays `killed-after`.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pratique.backends import decoys, syscalls
from pratique.backends.attempts import ATTEMPTS, Attempted, Outcome
from pratique.backends.base import Backend, Command, Host
from pratique.backends.decoys import Ground
from pratique.backends.hooks import launch
from pratique.errors import GuardError
from pratique.model import Coverage, Event, Kind, Settlement
from pratique.words import Act, Actor, Level, Stage

_RUN = 0xC0FE
_LIMIT = 60.0
_SIGKILL = 9
_PACKAGE = Settlement(Actor.PACKAGE, Stage.SCRIPT, new_origin=True, reason="coverage proof")
_SOURCE = str(Path(__file__).parents[2])

UNTRIED = "could not be tried here"
"""How the reason of a row begins whose control failed: without the guard it did not happen either."""

Witness = Callable[[Ground], bool]
"""Whether the act happened, seen from outside the guard."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row: what is tried, when it counts, and the best that the mechanism can promise."""

    id: str
    act: Act
    when: str
    claim: Level
    reason: str
    witness: Witness

    @property
    def attempt(self) -> Attempted:
        """What the child runs."""
        return ATTEMPTS[self.id]


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one attempt."""

    outcome: Outcome | None
    """None: the child never got to it."""
    happened: bool
    told: bool = False
    """An event of the backend told of it."""
    refused: bool = False
    """And said that it was refused: a program in between may have kept the error from its author."""
    late: bool = False
    """Or that its author was killed after the act, perhaps before it could leave evidence."""


def observed(trial: Trial) -> Level:
    """Name the level that a guarded trial shows."""
    outcome = trial.outcome
    if outcome is None:
        return Level.BLIND
    if outcome.signal == _SIGKILL:
        return Level.KILLED_AFTER if trial.happened or trial.late else Level.KILLED_BEFORE
    if not trial.happened and (outcome.error or trial.refused):
        return Level.ENFORCED
    return Level.SEEN if trial.happened and trial.told else Level.BLIND


def judge(attempt: Attempt, control: Trial, guarded: Trial) -> Coverage:
    """Turn a pair of trials into a row: the weaker of what was observed and what is claimed."""
    if not control.happened:
        return _row(attempt, Level.BLIND, f"{UNTRIED}: {_why(control)}")
    level = max(observed(guarded), attempt.claim)
    if level == attempt.claim:
        return _row(attempt, level, attempt.reason)
    return _row(attempt, level, f"expected {attempt.claim.word} ({attempt.reason}): {_why(guarded)}")


def prove(backend_factory: Callable[[Host], Backend], attempts: Sequence[Attempt]) -> list[Coverage]:
    """Try every row on a backend of its own; `GuardError` when that cannot be started."""
    with Ground() as ground:
        control = _unguarded(ground, attempts)
    with Ground() as ground:
        guarded = _guarded(ground, attempts, backend_factory(ground.host()))
    return [judge(attempt, control[attempt.id], guarded[attempt.id]) for attempt in attempts]


def private_mounts() -> None:
    """What this process mounts from now on is gone with it. Without privilege it can mount nothing."""
    if os.geteuid() == 0:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount("none", "/", syscalls.MS_REC | syscalls.MS_SLAVE)


class _PrivateMounts:
    """The control's only confinement."""

    def enter(self) -> None:
        private_mounts()


def _unguarded(ground: Ground, attempts: Sequence[Attempt]) -> dict[str, Trial]:
    child = launch.spawn(_command(ground, attempts), _PrivateMounts(), lambda _: None)
    ground.open_late_broker()
    try:
        _let_go(ground, child.ended, lambda: time.sleep(0.01))
    finally:
        child.kill()
        child.wait()
    return _trials(ground, attempts, [])


def _guarded(ground: Ground, attempts: Sequence[Attempt], backend: Backend) -> dict[str, Trial]:
    events: list[Event] = []

    def listen() -> None:
        for event in backend.events(0.05):
            events.append(event)
            if event.exec and event.exec.pending:
                backend.settle(event, _PACKAGE, event.origin, ())

    backend.start(decoys.policy(), _RUN)
    try:
        pid = backend.spawn(_command(ground, attempts))
        backend.label(pid, _PACKAGE)
        ground.open_late_broker()
        _let_go(ground, lambda: backend.ended() is not None, listen)
        listen()
    finally:
        backend.finish()
        backend.close()
    return _trials(ground, attempts, events)


def _command(ground: Ground, attempts: Sequence[Attempt]) -> Command:
    names = [attempt.id for attempt in attempts]
    argv = [sys.executable, "-S", "-m", "pratique.backends.attempts", str(ground.home), *names]
    return Command(argv, str(ground.home), {"PATH": os.defpath, "PYTHONPATH": _SOURCE})


def _let_go(ground: Ground, ended: Callable[[], bool], meanwhile: Callable[[], None]) -> None:
    """Open the gate the child waits at, and do what must be done meanwhile until it has ended."""
    deadline = time.monotonic() + _LIMIT
    opened = False
    while not ended():
        opened = opened or _open_gate(ground)
        if time.monotonic() > deadline:
            raise GuardError(f"the coverage proof did not end within {_LIMIT:.0f} s")
        meanwhile()


def _open_gate(ground: Ground) -> bool:
    try:
        os.close(os.open(ground.home / "go", os.O_WRONLY | os.O_NONBLOCK))
    except OSError:  # nobody waits there yet
        return False
    return True


def _trials(ground: Ground, attempts: Sequence[Attempt], events: Sequence[Event]) -> dict[str, Trial]:
    outcomes = {}
    for line in (ground.evidence("outcomes") or "").splitlines():
        name, pid, error, signal = json.loads(line)
        outcomes[name] = Outcome(pid, error, signal)
    return {attempt.id: _trial(ground, attempt, outcomes.get(attempt.id), events) for attempt in attempts}


def _trial(ground: Ground, attempt: Attempt, outcome: Outcome | None, events: Sequence[Event]) -> Trial:
    telling = [event for event in events if _tells(event, attempt, outcome)]
    refused = any(event.level is Level.ENFORCED for event in telling)
    late = any(event.level is Level.KILLED_AFTER for event in telling)
    return Trial(outcome, attempt.witness(ground), bool(telling), refused, late)


def _tells(event: Event, attempt: Attempt, outcome: Outcome | None) -> bool:
    if outcome is None or event.pid != outcome.pid:
        return False
    return event.act == attempt.act or (attempt.act == Act.EXEC and event.kind == Kind.EXEC)


def _row(attempt: Attempt, level: Level, reason: str) -> Coverage:
    return Coverage(attempt.act, attempt.when, level, reason, f"attempt:{attempt.id}")


def _why(trial: Trial) -> str:
    outcome = trial.outcome
    if outcome is None:
        return "the attempt was never reached"
    if outcome.signal:
        return (
            f"died of signal {outcome.signal}, the act {'happened' if trial.happened else 'did not happen'}"
        )
    if outcome.error:
        return os.strerror(outcome.error)
    return "it happened" if trial.happened else "no error, and it did not happen"
