"""Answers for opens of marked files: who opens, what the policy says, and the event that tells it.

`Judge.allows` runs in the answering thread: it opens nothing, imports nothing and takes no lock.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence

from pratique.backends import numbers
from pratique.backends.hooks.records import Label
from pratique.model import Event, Kind
from pratique.policy.allows import permits
from pratique.policy.model import NO_RULE, Allow, Decision, Policy
from pratique.words import Act, Action, Actor, Level


class Judge:
    """Decides file acts of one run by the label of the opener, and keeps the events for the main loop."""

    def __init__(
        self,
        policy: Policy,
        run: int,
        label_of: Callable[[int], Label | None],
        taint: Callable[[int, int], None],
        homes: Sequence[str],
        project: str,
    ) -> None:
        self.policy = policy
        self._run = run
        self._label_of = label_of
        self._taint = taint
        self._homes = homes
        self._project = project
        self._grants: dict[int, Sequence[Allow]] = {}
        self._tainted: set[int] = set()
        self._events: deque[Event] = deque()

    def grant(self, origin: int, allows: Sequence[Allow]) -> None:
        """From now on `origin` has these allows."""
        self._grants[origin] = allows

    def granted(self, origin: int, act: Act, path: str) -> bool:
        """Whether an allow of the origin names the act on that object."""
        target = {"exe" if act is Act.EXEC else "path": path}
        held = self._grants.get(origin, ())
        return any(permits(allow, act, target, self._homes, self._project) for allow in held)

    def labelled(self, pid: int) -> bool:
        """Whether the process belongs to this run."""
        label = self._label_of(pid)
        return label is not None and numbers.belongs(label.run, self._run)

    def allows(self, pid: int, act: Act, path: str, groups: tuple[str, ...]) -> bool:
        """Whether the open may go on; a refusal is an ordinary EPERM to the opener."""
        label = self._label_of(pid)
        if label is None or not numbers.belongs(label.run, self._run):
            return True
        decision = self._decision(label, act, path, groups)
        refused = decision.action >= Action.DENY and self.policy.mode == "enforce"
        if act is Act.FILE_READ and not refused and label.actor is Actor.PACKAGE:
            self._mark_tainted(label)
        if decision.action is not Action.ALLOW:
            self._events.append(self._event(pid, label, act, path, groups, decision))
        return not refused

    def drain(self) -> list[Event]:
        """The events since the last call, oldest first."""
        return [self._events.popleft() for _ in range(len(self._events))]

    def _decision(self, label: Label, act: Act, path: str, groups: tuple[str, ...]) -> Decision:
        decision = self.policy.decide(label.stage, label.actor, act, groups, label.origin in self._tainted)
        if decision.action is Action.ALLOW or decision.locked:
            return decision
        return NO_RULE if self.granted(label.origin, act, path) else decision

    def _mark_tainted(self, label: Label) -> None:
        if label.origin not in self._tainted:
            self._tainted.add(label.origin)
            self._taint(label.run, label.origin)

    def forget(self, origin: int) -> None:
        """The origin's run has ended: nobody acts for it any more."""
        self._grants.pop(origin, None)
        self._tainted.discard(origin)

    def _event(
        self, pid: int, label: Label, act: Act, path: str, groups: tuple[str, ...], decision: Decision
    ) -> Event:
        action, would = effective(decision.action, self.policy.mode)
        return Event(
            time=time.time(),
            kind=Kind.ACT,
            pid=pid,
            ppid=0,
            run=label.run,
            origin=label.origin,
            stage=label.stage,
            actor=label.actor,
            act=act,
            action=action,
            would=would,
            rule=decision.rule,
            groups=groups,
            tainted=label.origin in self._tainted,
            level=Level.ENFORCED if action >= Action.DENY else None,
            target={"exe" if act is Act.EXEC else "path": path},
        )


def effective(action: Action, mode: str) -> tuple[Action, Action | None]:
    """What is done, and in audit mode what would have been."""
    if mode == "audit" and action >= Action.DENY:
        return Action.AUDIT, action
    return action, None
