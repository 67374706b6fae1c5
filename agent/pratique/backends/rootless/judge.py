"""What the policy says of an act of the guarded tree, and the event that tells of it."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from pratique.backends.rootless.tasks import Label, Task
from pratique.model import Event, Exec, Kind
from pratique.policy.allows import permits
from pratique.policy.model import NO_RULE, Allow, Decision, Policy
from pratique.words import Act, Action, Actor, Level

_NET = (Act.NET_CONNECT, Act.NET_DNS)
# Some address that nothing speaks for.
_ANYWHERE = {"address": "198.51.100.1", "port": 443, "protocol": "udp"}


class Judge:
    """Decides acts of one run by label, and keeps the events until they are asked for."""

    def __init__(self, policy: Policy, run: int, homes: Sequence[str], project: str) -> None:
        self.policy = policy
        self.events: deque[Event] = deque()
        self.counts: dict[str, int] = {}
        self._run = run
        self._homes, self._project = homes, project
        self._allows: dict[int, Sequence[Allow]] = {}
        self._endpoints: dict[int, list[tuple[str, int]]] = {}
        self._tainted: set[int] = set()
        self._networks = sorted(
            (
                (ip_network(cidr), group.name)
                for group in policy.groups
                if group.kind == "net"
                for cidr in group.cidrs
            ),
            key=lambda pair: -pair[0].prefixlen,
        )
        self._ports = {port: group.name for group in policy.groups for port in group.ports}

    def grant(self, origin: int, allows: Sequence[Allow], endpoints: list[tuple[str, int]]) -> None:
        """From now on `origin` has these allows, whose hosts stand for these addresses."""
        self._allows[origin], self._endpoints[origin] = allows, endpoints

    def has_endpoints(self, origin: int) -> bool:
        """Whether it is allowed to reach somebody."""
        return bool(self._endpoints.get(origin))

    def refuses(
        self,
        task: Task,
        act: Act,
        groups: Sequence[str],
        target: Mapping[str, Any],
        level: Level = Level.ENFORCED,
    ) -> bool:
        """Whether the act is to be refused; an event tells of every act that a rule speaks of."""
        label = task.label
        decision = self.policy.decide(label.stage, label.actor, act, groups, label.origin in self._tainted)
        if decision.action is not Action.ALLOW and self._permitted(label, act, target, decision):
            decision = NO_RULE
            target = {**target, "allowed": True}
        refused = decision.action >= Action.DENY and self.policy.mode == "enforce"
        if act is Act.FILE_READ and groups and not refused and label.actor is Actor.PACKAGE:
            self._tainted.add(label.origin)
        if decision.action is not Action.ALLOW or act in _NET:
            self._tell(task, act, groups, target, decision, level if refused else None)
        return refused

    def note(self, task: Task, act: Act, path: str) -> None:
        """Tell of an act on an object that no rule names: rules over many acts count it."""
        self.events.append(self._event(task, Kind.ACT, act=act, target={"path": path}))

    def speaks_of(self, label: Label, act: Act, groups: Sequence[str]) -> bool:
        """Whether a rule does anything about it."""
        tainted = label.origin in self._tainted
        return self.policy.decide(label.stage, label.actor, act, groups, tainted).action is not Action.ALLOW

    def would_refuse(self, label: Label, act: Act, groups: Sequence[str], target: Mapping[str, Any]) -> bool:
        """The same, without an event."""
        decision = self.policy.decide(label.stage, label.actor, act, groups, label.origin in self._tainted)
        if self.policy.mode != "enforce" or decision.action < Action.DENY:
            return False
        return not self._permitted(label, act, target, decision)

    def refuses_the_world(self, label: Label) -> bool:
        """Whether it may not connect to somebody whom no rule and no allow names."""
        return self.would_refuse(label, Act.NET_CONNECT, ("net.global",), _ANYWHERE)

    def network_group(self, address: str, port: int) -> str:
        """The one group that an address draws: a broker's loopback port, else the longest prefix."""
        found = ip_address(address)
        found = getattr(found, "ipv4_mapped", None) or found
        name = next(
            (
                name
                for network, name in self._networks
                if found.version == network.version and found in network
            ),
            "",
        )
        return self._ports.get(port, name) if name == "net.loopback" else name

    def tell_exec(self, task: Task, seen: Exec, path: str, groups: Sequence[str]) -> Event:
        """The event of an exec that happened."""
        self.counts["exec"] = self.counts.get("exec", 0) + 1
        return self._event(
            task,
            Kind.EXEC,
            act=Act.EXEC,
            exec=seen,
            groups=tuple(groups),
            target={"exe": path} if path else {},
        )

    def tell(self, task: Task, kind: Kind) -> None:
        """A process began or ended."""
        self.events.append(self._event(task, kind))

    def _permitted(self, label: Label, act: Act, target: Mapping[str, Any], decision: Decision) -> bool:
        if decision.locked or not label.origin:
            return False
        if act in _NET and self._reaches(label.origin, target):
            return True
        held = self._allows.get(label.origin, ())
        return any(permits(allow, act, target, self._homes, self._project) for allow in held)

    def _reaches(self, origin: int, target: Mapping[str, Any]) -> bool:
        address, port = target.get("address"), target.get("port")
        if not address:
            return False
        found = ip_address(address)
        found = getattr(found, "ipv4_mapped", None) or found
        return any(
            port == each and found in ip_network(cidr, strict=False)
            for cidr, each in self._endpoints.get(origin, ())
        )

    def _tell(
        self,
        task: Task,
        act: Act,
        groups: Sequence[str],
        target: Mapping[str, Any],
        decision: Decision,
        level: Level | None,
    ) -> None:
        action, would = decision.action, None
        if self.policy.mode == "audit" and action >= Action.DENY:
            action, would = Action.AUDIT, action
        if action is Action.KILL or (level is not None and level > Level.ENFORCED):
            action = Action.KILL if level is not None and level > Level.ENFORCED else Action.DENY
        event = self._event(
            task,
            Kind.ACT,
            act=act,
            action=action,
            would=would,
            rule=decision.rule,
            groups=tuple(groups),
            level=level,
            target=dict(target),
        )
        self.events.append(event)
        self.counts[act.word] = self.counts.get(act.word, 0) + 1

    def _event(self, task: Task, kind: Kind, **more: Any) -> Event:
        label = task.label
        return Event(
            time=time.time(),
            kind=kind,
            pid=task.pid,
            ppid=task.parent,
            run=self._run,
            origin=label.origin,
            stage=label.stage,
            actor=label.actor,
            tainted=label.origin in self._tainted,
            **more,
        )
