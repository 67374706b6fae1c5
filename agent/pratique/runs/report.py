"""The report of a run as data: `pratique.report/v1`, described key by key in schema/report-v1.json.

Everything that leaves here is redacted and valid Unicode; nothing unknown is guessed.
"""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pratique import __version__, host
from pratique.model import UNKNOWN, Coverage, Identity, Installed
from pratique.policy import allows
from pratique.policy.model import Rule
from pratique.runs import escape, redact, verdict
from pratique.runs.attribution import Origin
from pratique.runs.findings import Found
from pratique.runs.run import Summary
from pratique.runs.tree import Image, Process
from pratique.words import Act, Action, Actor

SCHEMA = "pratique.report/v1"
DONE = {Action.ALLOW: "allowed", Action.AUDIT: "audited", Action.DENY: "denied", Action.KILL: "killed"}
"""What was done, weakest first."""
ROWS = 2_000
"""Processes that a report shows."""
_ANCESTORS = 24
_UNRULED = Rule("", "", "medium", "")

Json = dict[str, Any]


class Ending(NamedTuple):
    """What the caller knows besides the run itself."""

    coverage: Sequence[Coverage] = ()
    fail_on: str = "deny"
    guard_lost: str | None = None
    added_seconds: float | None = None
    """Wall time that Pratique itself took before and after the command."""
    notes: Sequence[str] = ()
    installed: Sequence[Installed] = ()


def build(summary: Summary, ending: Ending | None = None) -> Json:
    """The whole report of a run."""
    ending = ending or Ending()
    findings = [_finding(summary, number, found) for number, found in enumerate(summary.findings, start=1)]
    report = {
        "schema": SCHEMA,
        "run": _run(summary, ending),
        "coverage": [_coverage(row) for row in ending.coverage],
        "policy": _policy(summary),
        "packages": _packages(summary),
        "installed": [_installed(each) for each in ending.installed],
        "findings": findings,
        "egress": _egress(summary),
        "counts": _counts(summary),
        "tree": tree(summary.tree),
    }
    clean: Json = escape.unicode_only(redact.everything(report))
    return clean


def moment(seconds: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tree(processes: Iterable[Process]) -> list[Json]:
    """At most 2000 processes, parents before children: first those of findings and their ancestors."""
    everyone = list(processes)
    kept = _closed(sorted(everyone, key=lambda each: (not each.evidence, each.number)))
    return [_node(each, kept) for each in everyone if each.number in kept]


def _closed(ordered: Iterable[Process]) -> set[int]:
    kept: set[int] = set()
    for process in ordered:
        if len(kept) >= ROWS:
            break
        kept.add(process.number)
    return kept


def _node(process: Process, kept: set[int]) -> Json:
    parent = process.parent
    return {
        "id": process.number,
        "parent": parent.number if parent is not None and parent.number in kept else None,
        "pid": process.pid,
        **_image(process.image),
        "actor": process.actor.word,
        "stage": process.stage.word,
        "origin": process.origin or None,
        "started": moment(process.started),
        "ended": None if process.ended is None else moment(process.ended),
        "finding": process.evidence,
    }


def _image(image: Image | None) -> Json:
    """Exe and argv; both null for a process that never executed anything itself."""
    if image is None:
        return {"exe": None, "argv": None}
    return {"exe": redact.path(image.exe), "argv": redact.argv(image.argv)}


def _run(summary: Summary, ending: Ending) -> Json:
    incomplete = bool(summary.lost_events or ending.guard_lost)
    return {
        "id": summary.id,
        "command": redact.argv(summary.command),
        "description": _description(summary),
        "cwd": redact.path(summary.cwd),
        "user": _user(),
        "host": os.uname().nodename or None,
        "manager": summary.manager,
        "profile": summary.policy.profile,
        "mode": summary.policy.mode,
        "backend": summary.backend,
        "started": moment(summary.started),
        "ended": moment(summary.ended),
        "added_seconds": _added(summary, ending),
        "exit_status": summary.exit_status,
        "signal": summary.signal,
        "pratique_status": _status(summary, ending, incomplete),
        "fail_on": ending.fail_on,
        "verdict": verdict.verdict(summary.findings).word,
        "incomplete": incomplete,
        "lost_events": summary.lost_events,
        "guard_lost": ending.guard_lost,
        "judged": summary.guarded,
        "survivors": list(summary.survivors),
        "environment": list(summary.environment),
        "hosts": [
            {"host": redact.text(each.host), "reason": redact.text(each.reason)} for each in summary.hosts
        ],
        "versions": {
            "pratique": __version__,
            "python": sys.version.partition(" ")[0],
            "kernel": os.uname().release,
        },
        "notes": [*summary.policy.notes, *ending.notes],
    }


def _status(summary: Summary, ending: Ending, incomplete: bool) -> int:
    if ending.guard_lost is not None:
        return verdict.NO_GUARD
    return verdict.status(
        summary.exit_status, summary.signal, summary.findings, ending.fail_on, incomplete, summary.policy
    )


def _description(summary: Summary) -> str | None:
    """The manager's command in the user's words; None when no manager was recognised."""
    manager = summary.managers.get(summary.manager or "")
    return redact.text(manager.describe(tuple(redact.argv(summary.manager_argv)))) if manager else None


def _added(summary: Summary, ending: Ending) -> float | None:
    seconds = ending.added_seconds if ending.added_seconds is not None else summary.setup_seconds
    return None if seconds is None else round(seconds, 3)


def _user() -> str | None:
    """The person who typed the command, also through sudo."""
    import pwd  # noqa: PLC0415 -- only for a name that people read

    uid, _ = host.invoking_ids()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid) if uid == os.getuid() else None


def _coverage(row: Coverage) -> Json:
    return {"act": row.act.word, "when": row.when, "level": row.level.word, "reason": row.reason}


def _policy(summary: Summary) -> Json:
    policy = summary.policy
    return {
        "digest": policy.digest,
        "profile": policy.profile,
        "sources": [
            {"path": source.path, "digest": source.digest, "kind": source.kind, "trusted": source.trusted}
            for source in policy.sources
        ],
    }


def _identity(summary: Summary, origin: int) -> Identity:
    known = summary.origins.get(origin)
    return known.settlement.identity if known else UNKNOWN


def _packages(summary: Summary) -> list[Json]:
    """Packages whose code ran, by identity; code that nobody could name is one entry with purl null."""
    grouped: dict[tuple[object, ...], list[Origin]] = {}
    for origin in summary.origins.values():
        if origin.settlement.actor is Actor.PACKAGE:
            found = origin.settlement.identity
            grouped.setdefault((found.purl, found.quality, found.digest, found.candidates), []).append(origin)
    return [_package(summary, origins) for origins in grouped.values()]


def _package(summary: Summary, origins: list[Origin]) -> Json:
    identity = origins[0].settlement.identity
    numbers = {origin.number for origin in origins}
    stages = {stage for number in numbers for stage in summary.stages_of.get(number, ())}
    stages |= {origin.settlement.stage for origin in origins}
    return {
        "purl": identity.purl,
        "identity": identity.quality.word,
        "candidates": list(identity.candidates),
        "source": None if identity.source is None else redact.url(identity.source),
        "stages": [stage.word for stage in sorted(stages)],
        "direct": identity.direct,
        "requested": _named(summary, origins[0]),
        "digests": sorted({o.settlement.identity.digest for o in origins if o.settlement.identity.digest}),
        "events": sum(summary.events_of.get(number, 0) for number in numbers),
        "findings": sum(found.origin in numbers for found in summary.findings),
        "origins": sorted(numbers),
    }


def _installed(each: Installed) -> Json:
    return {"purl": redact.text(each.purl), "identity": each.quality.word, "digest": each.digest}


def _named(summary: Summary, origin: Origin) -> list[str]:
    """What the user asked for when this package came along uninvited; empty when that is not known."""
    return (
        [redact.text(name) for name in origin.requested] if origin.settlement.identity.direct is False else []
    )


def _finding(summary: Summary, number: int, found: Found) -> Json:
    identity = _identity(summary, found.origin)
    rule = _rule(summary, found.rule)
    target = _target(found.target)
    return {
        "id": f"{summary.id}-{number:04d}",
        "rule": found.rule,
        "title": rule.title or found.rule,
        "severity": rule.severity,
        "action": DONE[found.action],
        "would": None if found.would is None else DONE.get(found.would),
        "level": found.level.word if found.level else None,
        "stage": found.stage.word,
        "actor": found.actor.word,
        "package": identity.purl,
        "identity": identity.quality.word,
        "candidates": list(identity.candidates),
        "origin": _origin(summary.origins.get(found.origin)),
        "process": _process(found),
        "act": found.act.word,
        "target": target,
        "groups": list(found.groups),
        "tainted": found.tainted,
        "time": moment(found.time),
        "count": found.times,
        "source": None,
        "techniques": list(rule.techniques),
        "explain": rule.explain,
        "allow": _stanza(identity, found, target, rule),
    }


def _rule(summary: Summary, name: str) -> Rule:
    try:
        return summary.policy.rule(name)
    except KeyError:
        return _UNRULED


def _origin(origin: Origin | None) -> Json | None:
    if origin is None:
        return None
    reason = origin.settlement.reason
    return {
        "pid": origin.pid,
        "argv": redact.argv(origin.argv),
        "cwd": redact.path(origin.cwd),
        "reason": redact.text(reason) if reason else None,
    }


def _process(found: Found) -> Json:
    process = found.process
    line = list(_nearest(process))
    return {
        "pid": process.pid,
        "exe": redact.path(found.exe),
        "argv": redact.argv(found.argv),
        "parent": process.parent.pid if process.parent else None,
        "ancestry": [_ancestor(each) for each in reversed(line)],
    }


def _nearest(process: Process) -> Iterable[Process]:
    above = process.parent.line() if process.parent else iter(())
    for _, each in zip(range(_ANCESTORS), above, strict=False):
        yield each


def _ancestor(process: Process) -> Json:
    return {"pid": process.pid, **_image(process.runs()), "actor": process.actor.word}


def _target(target: Mapping[str, Any]) -> Json:
    """What was acted on; objects show as they were named, bytes and odd values as text."""
    return {key: _value(key, value) for key, value in target.items()}


def _value(key: str, value: Any) -> Any:
    if key == "argv" and isinstance(value, list | tuple):
        return redact.argv(str(word) for word in value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact.path(value) if isinstance(value, str) else redact.text(str(value))


def _stanza(identity: Identity, found: Found, target: Mapping[str, Any], rule: Rule) -> str | None:
    """The `[[allow]]` that would permit it, or comments that say why none can; None for other actors."""
    if found.actor is not Actor.PACKAGE:
        return None
    return allows.stanza(identity, found.stage, found.act, target, locked=rule.locked, groups=found.groups)


def _egress(summary: Summary) -> list[Json]:
    return [
        {
            "act": peer.act.word,
            "address": peer.address,
            "port": peer.port,
            "name": peer.name,
            "actor": peer.actor.word,
            "package": _identity(summary, peer.origin).purl,
            "action": DONE[peer.action],
            "count": number,
        }
        for peer, number in summary.egress.items()
    ]


def _counts(summary: Summary) -> dict[str, Any]:
    connects = {
        actor.word: n for (word, actor), n in summary.by_actor.items() if word == Act.NET_CONNECT.word
    }
    return {
        **dict(summary.counts),
        "connect_by_actor": connects,
        "processes": len(summary.tree),
        "processes_shown": min(len(list(summary.tree)), ROWS),
        "findings_omitted": summary.findings_omitted,
    }
