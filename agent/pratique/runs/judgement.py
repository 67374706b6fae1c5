"""What the rules make of a run's events, in their order: decisions of the backend, refusals, detections."""

import errno
from collections.abc import Mapping, Sequence

from pratique.model import UNKNOWN, Event, Kind
from pratique.policy.model import Policy
from pratique.runs.attribution import Origin
from pratique.runs.findings import Detections, Findings, flat, found
from pratique.runs.refusals import Places, absolute
from pratique.runs.tree import Process
from pratique.words import Action

# How a read-only bind of the static layer refuses: no rule but the guard's own set-up made it.
_READ_ONLY = (errno.EROFS, errno.EBUSY)


class Judgement:
    """The findings of one run. `origins` is the run's own table, filled while it goes on."""

    def __init__(
        self, policy: Policy, homes: Sequence[str], project: str, origins: Mapping[int, Origin]
    ) -> None:
        self.findings = Findings()
        self._policy = policy
        self._origins = origins
        self._places = Places(policy.groups, homes, project)
        self._detections = Detections(policy)

    def add(self, event: Event, process: Process) -> None:
        """Judge an act or exec of this process."""
        if event.action is not Action.ALLOW:
            self._decided(event, process)
        if self._detections.any:
            self._detect(event, process)

    def forget(self, origin: int, time: float) -> None:
        """The last process of an origin is gone since then."""
        self._detections.forget(origin, time)

    def outlived(self, process: Process, time: float, run: int) -> None:
        """Rules see a survivor as an event of its own kind."""
        self._remark("survivor", process, time, run)

    def unapproved(self, process: Process, time: float, run: int) -> None:
        """The same for a script that the project's own list does not let run."""
        self._remark("unapproved", process, time, run)

    def mixed(self, process: Process, path: str, time: float, run: int) -> None:
        """The same for code of others that a manager loads into itself."""
        self._remark("mixed", process, time, run, path)

    def _remark(self, kind: str, process: Process, time: float, run: int, path: str = "") -> None:
        """Something seen of a process that is no act of it."""
        if not self._detections.any:
            return
        event = Event(time, Kind.EXIT, process.pid, 0, run, process.origin, process.stage, process.actor)
        origin = self._origins.get(process.origin)
        purl = origin.settlement.identity.purl if origin else None
        fields = {**flat(event, process, purl, None), "kind": kind, "act": None}
        for rule in self._detections.fired(fields):
            evidence = found(event, process, rule, Action.AUDIT, ())
            evidence.target.update(exe=evidence.exe, pid=process.pid, **({"path": path} if path else {}))
            self.findings.add(evidence)

    def _decided(self, event: Event, process: Process) -> None:
        if event.rule is not None:
            self.findings.add(found(event, process, event.rule, event.action, event.groups))
        elif event.action is Action.DENY:
            self._refused(event, process)

    def _refused(self, event: Event, process: Process) -> None:
        """A refusal by the static layer or permissions: it counts only where a rule speaks of the place."""
        image = process.runs()
        path = absolute(str(event.target.get("path") or ""), image.cwd if image else "")
        if path is None or event.act is None:
            return
        groups = self._places.groups_of(path)
        if not groups:
            return
        decision = self._policy.decide(event.stage, event.actor, event.act, groups, event.tainted)
        if decision.rule is not None and decision.action > Action.ALLOW:
            ours = decision.action >= Action.DENY or event.target.get("errno") in _READ_ONLY
            audit = self._policy.mode == "audit" or not ours
            evidence = found(event, process, decision.rule, Action.AUDIT if audit else Action.DENY, groups)
            evidence.target["path"] = path
            would = Action.DENY if audit and decision.action >= Action.DENY else None
            self.findings.add(evidence._replace(would=would))

    def _detect(self, event: Event, process: Process) -> None:
        origin = self._origins.get(event.origin)
        identity = origin.settlement.identity if origin else UNKNOWN
        fields = flat(event, process, identity.purl, origin.cwd if origin else None)
        for rule in self._detections.fired(fields):
            evidence = found(event, process, rule, Action.AUDIT, event.groups)
            # What would have been refused is the act, by another rule.
            self.findings.add(evidence._replace(would=None))
