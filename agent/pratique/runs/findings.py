"""What rules found in a run: one entry per rule, act, object and origin, however often it was tried."""

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from pratique.model import Event
from pratique.policy.model import Policy
from pratique.runs.detect import Check, Sequence, compile_detect
from pratique.runs.refusals import absolute
from pratique.runs.tree import Process, bounded
from pratique.words import Act, Action, Actor, Level, Stage

MOST = 5_000
_ECHO = 0.02
_LATE = 5.0
KEYS = ("path", "to", "address", "port", "protocol", "name", "exe", "request", "pid")
"""What of a target tells one finding from another."""
_SCRATCH = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 -- what counts as scratch, not where we write


class Found(NamedTuple):
    """A rule that fired, with its evidence as it was the first time."""

    rule: str
    act: Act
    action: Action
    would: Action | None
    level: Level | None
    stage: Stage
    actor: Actor
    origin: int
    process: Process
    exe: str
    argv: tuple[str, ...]
    """What the process ran then; it may have executed something else since."""
    target: dict[str, Any]
    groups: tuple[str, ...]
    tainted: bool
    time: float
    times: int = 1
    last: float = 0.0
    """When it was tried last."""


class Findings:
    """Bounded collection: what does not fit is counted."""

    def __init__(self) -> None:
        self.omitted = 0
        self._found: dict[tuple[object, ...], Found] = {}

    def add(self, found: Found) -> None:
        """Take a finding in; the strongest action is kept, the first time and process stay."""
        key = (found.rule, found.act, found.origin, *(found.target.get(name) for name in KEYS))
        known = self._found.get(key)
        if known is not None:
            self._found[key] = _again(known, found)
        elif len(self._found) < MOST:
            self._found[key] = found._replace(last=found.time)
            for process in found.process.line():
                if process.evidence:
                    break
                process.evidence = True
        else:
            self.omitted += 1

    def all(self) -> list[Found]:
        """Every finding, first seen first."""
        return sorted(self._found.values(), key=lambda found: found.time)


def _again(known: Found, found: Found) -> Found:
    known = known._replace(times=known.times + (not _is_echo(found, known)), last=found.time)
    if found.action > known.action:
        return known._replace(action=found.action, would=found.would, level=found.level)
    return known


def _is_echo(found: Found, known: Found) -> bool:
    """Whether the error is that of the refusal just told: an open is answered first, then seen to fail."""
    failed, answered = "errno" in found.target, "errno" not in known.target
    same = found.process is known.process and 0 <= found.time - known.last < _ECHO
    return failed and answered and same


class Detections:
    """The `detect:` and `sequence:` rules of a policy, fed with every act and exec."""

    def __init__(self, policy: Policy) -> None:
        self._checks: list[tuple[str, Check]] = []
        self._sequences: list[tuple[str, Sequence]] = []
        self._gone: deque[tuple[float, int]] = deque()
        for rule in policy.rules:
            if rule.detect:
                self._checks.append((rule.id, compile_detect(rule.detect)))
            if rule.sequence:
                self._sequences.append((rule.id, Sequence(rule.sequence)))
        self.any = bool(self._checks or self._sequences)

    def fired(self, event: Mapping[str, Any]) -> list[str]:
        """Ids of the rules this event makes fire."""
        hits = [rule for rule, check in self._checks if check(event)]
        return hits + [rule for rule, sequence in self._sequences if sequence.feed(event)]

    def forget(self, origin: int, time: float) -> None:
        """The last process of an origin ended at `time`. Its last acts may be told later, by another part."""
        self._gone.append((time, origin))
        while self._gone and time - self._gone[0][0] > _LATE:
            _, gone = self._gone.popleft()
            for _, sequence in self._sequences:
                sequence.forget(gone)


def found(event: Event, process: Process, rule: str, action: Action, groups: tuple[str, ...]) -> Found:
    """The evidence of one event."""
    image = process.runs()
    target = {str(key): value for key, value in event.target.items()}
    if event.exec is not None:
        target = {"exe": event.exec.exe, "argv": bounded(event.exec.argv), **target}
    return Found(
        rule=rule,
        act=event.act or Act.EXEC,
        action=action,
        would=event.would if action is event.action else None,
        level=event.level,
        stage=process.stage if event.exec is not None else event.stage,
        actor=process.actor if event.exec is not None else event.actor,
        origin=process.origin if event.exec is not None else event.origin,
        process=process,
        exe=image.exe if image else event.comm,
        argv=image.argv if image else (),
        target=target,
        groups=groups,
        tainted=event.tainted,
        time=event.time,
    )


def flat(event: Event, process: Process, purl: str | None, own: str | None) -> dict[str, Any]:
    """The event as rules see it (the fields of `detect.FIELDS`); what is not known is None."""
    target, image = event.target, process.runs()
    path = target.get("path")
    return {
        "time": event.time,
        "kind": event.kind.value,
        "act": event.act.word if event.act else event.kind.value,
        "actor": event.actor.word,
        "stage": event.stage.word,
        "action": event.action.word,
        "rule": event.rule,
        "groups": event.groups,
        "tainted": event.tainted,
        "pid": event.pid,
        "origin": event.origin,
        "purl": purl,
        "path": path,
        "to": target.get("to"),
        "address": target.get("address"),
        "port": target.get("port"),
        "name": target.get("name"),
        "exe": event.exec.exe if event.exec else target.get("exe", image.exe if image else None),
        "argv": " ".join(event.exec.argv if event.exec else image.argv if image else ()),
        "comm": event.comm,
        "errno": target.get("errno"),
        "outside": outside(path, image.cwd if image else "", own),
    }


def outside(path: object, cwd: str, own: str | None) -> bool | None:
    """Whether a path is outside the package's own directory and scratch space; None when nobody can say."""
    whole = absolute(path, cwd) if isinstance(path, str) else None
    if whole is None:
        return None
    roots = (*_SCRATCH, own) if own else _SCRATCH
    return not any(whole == root or whole.startswith(f"{root}/") for root in roots)
