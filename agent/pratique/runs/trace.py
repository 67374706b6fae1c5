"""Recorded runs: what came in, in order, as a stream of msgpack maps; `pratique replay` needs no kernel.

A trace is an output like any other: redacted when written, and hostile when read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]

from pratique.errors import UsageError
from pratique.managers.base import Learned, Manager
from pratique.model import Coverage, Event, Exec, Identity, Kind, Settlement
from pratique.policy import allows
from pratique.policy.model import Policy
from pratique.runs import redact
from pratique.runs.attribution import Origin
from pratique.runs.report import Ending
from pratique.runs.run import Given, Run, Settled, Summary
from pratique.runs.store import ReportFile
from pratique.words import Act, Action, Actor, Level, Quality, Stage

FORMAT = "pratique.trace/v1"
_LARGEST_ITEM = 1 << 20
_MOST = 5_000_000

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trace:
    """A recorded run, read back."""

    header: Json
    coverage: tuple[Coverage, ...]
    origins: tuple[Origin, ...]
    items: tuple[Event | Settled, ...]


def write(file: ReportFile, run: Run, ending: Ending | None = None) -> None:
    """Write what `run` recorded; the run must have been made with `record=True`."""
    summary = run.summary()
    packer = msgpack.Packer(use_bin_type=True, unicode_errors="surrogatepass")
    items: list[Json] = [_header(summary, ending or Ending())]
    items += [_origin(origin) for origin in summary.origins.values()]
    items += [_event(item) if isinstance(item, Event) else _settled(item) for item in run.recorded or ()]
    file.write_bytes(b"".join(packer.pack(item) for item in items))


def read(path: str | Path) -> Trace:
    """Read a trace; `UsageError` says what is wrong with one that is cut, foreign or too large."""
    try:
        with Path(path).open("rb") as file:
            items = _items(file)
            header = next(items, {})
            if header.get("trace") != FORMAT:
                raise UsageError(
                    f"{path} is no {FORMAT}", "record one with: pratique run --trace FILE -- COMMAND"
                )
            return _trace(header, list(items))
    except (OSError, ValueError, KeyError, TypeError, msgpack.UnpackException) as error:
        raise UsageError(f"cannot read the trace {path}: {error}", "record it again") from error


def replay(trace: Trace, policy: Policy, managers: Mapping[str, Manager]) -> tuple[Summary, Ending]:
    """Put a trace through the rules of `policy`: what they would say of the same acts today."""
    header = trace.header
    times = iter([header["started"]])
    given = Given(
        clock=lambda: next(times, header["ended"]),
        run_id=header["run"],
        number=header["number"],
        homes=header["homes"],
        hosts=tuple(Learned(*each) for each in header.get("hosts", ())),
    )
    run = Run(
        policy,
        header["command"],
        header["cwd"],
        dict.fromkeys(header["environment"], ""),
        header["backend"],
        managers,
        given,
    )
    by_number = {origin.number: origin for origin in trace.origins}
    for item in trace.items:
        if isinstance(item, Event):
            run.add(_judged_again(item, policy, by_number.get(item.origin), header["homes"]))
        else:
            run.settled(trace.origins, item)
    run.ended(header["exit_status"], header["signal"], header["lost_events"], header["counts"])
    return run.summary(), Ending(
        coverage=trace.coverage, fail_on=header["fail_on"], notes=("replayed from a trace",)
    )


def _judged_again(event: Event, policy: Policy, origin: Origin | None, homes: list[str]) -> Event:
    """The event as this policy decides it; acts on no group keep what the kernel said."""
    if event.act is None or not event.groups:
        return event
    decision = policy.decide(event.stage, event.actor, event.act, event.groups, event.tainted)
    action, rule = decision.action, decision.rule
    if origin is not None and not decision.locked and _allowed(event, event.act, policy, origin, homes):
        action, rule = Action.ALLOW, None
    if policy.mode == "audit" and action >= Action.DENY:
        return event._replace(action=Action.AUDIT, would=action, rule=rule, level=None)
    return event._replace(
        action=action, would=None, rule=rule, level=event.level if action >= Action.DENY else None
    )


def _allowed(event: Event, act: Act, policy: Policy, origin: Origin, homes: list[str]) -> bool:
    granted = allows.allows_for(policy, origin.settlement.identity, event.stage)
    return any(allows.permits(allow, act, event.target, homes, None) for allow in granted)


def _items(file: Any) -> Iterator[Json]:
    unpacker = msgpack.Unpacker(
        file, raw=False, unicode_errors="surrogatepass", max_str_len=_LARGEST_ITEM,
        max_array_len=_LARGEST_ITEM,
        max_map_len=_LARGEST_ITEM, max_bin_len=0, max_ext_len=0,
    )  # fmt: skip
    for number, item in enumerate(unpacker):
        if not isinstance(item, dict) or number > _MOST:
            raise ValueError(f"item {number} is not what a trace holds")
        yield item


def _trace(header: Json, items: list[Json]) -> Trace:
    origins = tuple(_origin_of(item) for item in items if item["is"] == "origin")
    rest = tuple(
        _event_of(item) if item["is"] == "event" else _settled_of(item)
        for item in items
        if item["is"] != "origin"
    )
    coverage = tuple(Coverage(Act(a), when, Level(level), why) for a, when, level, why in header["coverage"])
    return Trace(header, coverage, origins, rest)


def _header(summary: Summary, ending: Ending) -> Json:
    return {
        "trace": FORMAT,
        "run": summary.id,
        "number": summary.number,
        "command": redact.argv(summary.command),
        "cwd": redact.path(summary.cwd),
        "backend": summary.backend,
        "profile": summary.policy.profile,
        "environment": list(summary.environment),
        "hosts": [[redact.text(word) for word in each] for each in summary.hosts],
        "homes": list(summary.homes),
        "started": summary.started,
        "ended": summary.ended,
        "exit_status": summary.exit_status,
        "signal": summary.signal,
        "lost_events": summary.lost_events,
        "counts": dict(summary.counts),
        "fail_on": ending.fail_on,
        "coverage": [[int(row.act), row.when, int(row.level), row.reason] for row in ending.coverage],
    }


def _event(event: Event) -> Json:
    return {
        "is": "event",
        "time": event.time,
        "kind": event.kind.value,
        "pid": event.pid,
        "ppid": event.ppid,
        "run": event.run,
        "origin": event.origin,
        "stage": int(event.stage),
        "actor": int(event.actor),
        "act": event.act and int(event.act),
        "action": int(event.action),
        "would": None if event.would is None else int(event.would),
        "rule": event.rule,
        "groups": list(event.groups),
        "tainted": event.tainted,
        "level": event.level and int(event.level),
        "target": {
            key: redact.path(value) if isinstance(value, str) else value
            for key, value in event.target.items()
        },
        "exec": event.exec and _exec(event.exec),
        "comm": event.comm,
        "times": event.times,
    }


def _exec(given: Exec) -> Json:
    return {
        "exe": redact.path(given.exe),
        "interp": redact.path(given.interp),
        "argv": redact.argv(given.argv),
        "cwd": redact.path(given.cwd),
        "truncated": given.truncated,
        "pending": given.pending,
    }


def _event_of(item: Json) -> Event:
    given = item["exec"]
    return Event(
        time=float(item["time"]),
        kind=Kind(item["kind"]),
        pid=int(item["pid"]),
        ppid=int(item["ppid"]),
        run=int(item["run"]),
        origin=int(item["origin"]),
        stage=Stage(item["stage"]),
        actor=Actor(item["actor"]),
        act=Act(item["act"]) if item["act"] else None,
        action=Action(item["action"]),
        would=None if item["would"] is None else Action(item["would"]),
        rule=item["rule"],
        groups=tuple(item["groups"]),
        tainted=bool(item["tainted"]),
        level=Level(item["level"]) if item["level"] else None,
        target=dict(item["target"]),
        exec=Exec(**{**given, "argv": tuple(given["argv"])}) if given else None,
        comm=str(item["comm"]),
        times=int(item.get("times", 1)),
    )


def _origin(origin: Origin) -> Json:
    identity, settlement = origin.settlement.identity, origin.settlement
    return {
        "is": "origin",
        "number": origin.number,
        "pid": origin.pid,
        "argv": redact.argv(origin.argv),
        "cwd": redact.path(origin.cwd),
        "manager": origin.manager,
        "actor": int(settlement.actor),
        "stage": int(settlement.stage),
        "reason": settlement.reason,
        "approved": settlement.approved,
        "requested": [redact.text(name) for name in origin.requested],
        "quality": int(identity.quality),
        "purl": identity.purl,
        "source": identity.source and redact.url(identity.source),
        "digest": identity.digest,
        "direct": identity.direct,
        "candidates": list(identity.candidates),
    }


def _origin_of(item: Json) -> Origin:
    identity = Identity(
        Quality(item["quality"]),
        item["purl"],
        item["source"],
        item["digest"],
        item["direct"],
        tuple(item["candidates"]),
    )
    settlement = Settlement(
        Actor(item["actor"]),
        Stage(item["stage"]),
        identity,
        new_origin=True,
        reason=item["reason"],
        approved=item.get("approved"),
    )
    argv, requested = tuple(item["argv"]), tuple(item["requested"])
    return Origin(item["number"], item["pid"], argv, item["cwd"], item["manager"], settlement, requested)


def _settled(settled: Settled) -> Json:
    return {
        "is": "settled",
        "pid": settled.pid,
        "actor": int(settled.actor),
        "stage": int(settled.stage),
        "origin": settled.origin,
        "manager": settled.manager,
    }


def _settled_of(item: Json) -> Settled:
    return Settled(item["pid"], Actor(item["actor"]), Stage(item["stage"]), item["origin"], item["manager"])
