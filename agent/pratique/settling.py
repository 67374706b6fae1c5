"""What every keeper of runs does with a stopped process: judge it, then refuse it or let it go on."""

from pratique.backends.base import Backend
from pratique.model import Event, Kind, Settlement
from pratique.policy import allows
from pratique.policy.model import BLOCKED, Policy
from pratique.runs.run import Run
from pratique.words import Act, Action, Level


def settle(event: Event, policy: Policy, backend: Backend, run: Run) -> Event | None:
    """Answer the pending exec that `event` told of, and that was added to `run`; what a `[[block]]` did to it."""
    settlement, origin = run.settle(event)
    if allows.blocked(policy, settlement.identity) is not None:
        backend.refuse(event)
        done = _blocked(event, settlement, origin)
        run.add(done)
        return done
    granted = allows.allows_for(policy, settlement.identity, settlement.stage)
    backend.settle(event, settlement, origin, granted)
    return None


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
