"""What every keeper of runs does with who asks to be judged: a stopped process, or a manager that has begun."""

from pratique.backends.base import Backend
from pratique.model import Event, Kind, Settlement
from pratique.policy import allows
from pratique.policy.model import BLOCKED, Policy
from pratique.runs.run import Run
from pratique.words import Act, Action, Actor, Level


def settle(event: Event, policy: Policy, backend: Backend, run: Run) -> Event | None:
    """Answer the exec that `event` told of, and that was added to `run`; what a `[[block]]` did to it."""
    if event.exec is not None and not event.exec.pending:
        _recognise(event, backend, run)
        return None
    settlement, origin = run.settle(event)
    if allows.blocked(policy, settlement.identity) is not None:
        backend.refuse(event)
        done = _blocked(event, settlement, origin)
        run.add(done)
        return done
    granted = allows.allows_for(policy, settlement.identity, settlement.stage)
    backend.settle(event, settlement, origin, granted)
    return None


def _recognise(event: Event, backend: Backend, run: Run) -> None:
    # What it was told to load may run before its module has been imported, which takes 0.1 s once.
    if run.may_load(event.pid):
        backend.recognised(event, Actor.MIXED)
    backend.recognised(event, run.recognised(event))


def _blocked(event: Event, settlement: Settlement, origin: int) -> Event:
    """What a `[[block]]` did: the package's process ended before its first instruction."""
    return event._replace(
        kind=Kind.ACT,
        origin=origin,
        stage=settlement.stage,
        actor=settlement.actor,
        act=Act.EXEC,
        action=Action.KILL,
        rule=BLOCKED.id,
        level=Level.KILLED_BEFORE,
        target={"exe": event.exec.exe if event.exec else None},
        exec=None,
    )
