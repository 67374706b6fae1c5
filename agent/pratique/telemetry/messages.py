"""A finished report → the messages of `run.proto`: the report is redacted, so is what is made of it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pratique.api.v1 import run_pb2
from pratique.api.wire import MOST_INSTALLED, MOST_WORDS
from pratique.words import Act, Action, Actor, Level, Quality, Stage, Verdict, Word

Json = Mapping[str, Any]

_DONE = {
    "allowed": Action.ALLOW,
    "audited": Action.AUDIT,
    "denied": Action.DENY,
    "killed": Action.KILL,
    None: Action.ALLOW,
}
_TARGET = ("path", "to", "address", "name", "exe", "request", "protocol")
_TARGET_NUMBERS = ("port", "pid")
_RUN_TEXTS = ("description", "cwd", "user", "manager", "profile", "mode", "backend", "guard_lost")
_MOST_TEXT = 4_096
_MOST_EGRESS = 1_000
_MOST_INSTALLED_BYTES, _MOST_DIGEST, _OVERHEAD = 2 << 20, 128, 16
_MOST_PORT = 65_535


def run(report: Json, batches: int, records: int) -> run_pb2.Run:
    """The summary."""
    of, installed = report["run"], list(_installed(report.get("installed", ())))
    return run_pb2.Run(
        id=of["id"],
        command=_words(of["command"]),
        host_name=_text(of["host"]),
        started_us=moment(of["started"]),
        ended_us=moment(of["ended"]),
        exit_status=of["exit_status"],
        signal=of["signal"],
        pratique_status=of["pratique_status"],
        verdict=_number(Verdict, of["verdict"]),
        incomplete=of["incomplete"],
        lost_events=of["lost_events"],
        judged=of["judged"],
        environment=_words(of["environment"]),
        versions={key: _text(value) for key, value in of["versions"].items()},
        notes=_words(of["notes"]),
        coverage=[coverage(row) for row in report["coverage"]],
        policy=_policy(report["policy"]),
        counts={key: value for key, value in report["counts"].items() if isinstance(value, int)},
        egress=[_peer(each) for each in report["egress"][:_MOST_EGRESS]],
        batches=batches,
        records=records,
        findings_omitted=report["counts"].get("findings_omitted", 0),
        installed=installed,
        installed_omitted=len(report.get("installed", ())) - len(installed),
        **{name: _text(of[name]) for name in _RUN_TEXTS},
    )


def coverage(row: Json) -> run_pb2.Coverage:
    """One row of coverage."""
    act, level = _number(Act, row["act"]), _number(Level, row["level"])
    return run_pb2.Coverage(act=act, level=level, when=_text(row["when"]), reason=_text(row["reason"]))


def package(of: Json) -> run_pb2.Package:
    """A package whose code ran."""
    return run_pb2.Package(
        purl=_text(of["purl"]),
        identity=_number(Quality, of["identity"]),
        candidates=_words(of["candidates"]),
        source=_text(of["source"]),
        stages=[_number(Stage, stage) for stage in of["stages"]],
        direct=of["direct"],
        requested=_words(of["requested"]),
        digests=_words(of["digests"]),
        events=of["events"],
        findings=of["findings"],
        origins=of.get("origins", ()),
    )


def _installed(each: Iterable[Json]) -> Iterator[run_pb2.Installed]:
    """As many as fit beside the rest; a name is whole or not there."""
    room = _MOST_INSTALLED_BYTES
    for of, _ in zip(each, range(MOST_INSTALLED), strict=False):
        purl, digest = str(of["purl"]), _text(of["digest"])[:_MOST_DIGEST]
        room -= len(purl.encode("utf-8", "replace")) + len(digest) + _OVERHEAD
        if room < 0:
            return
        yield run_pb2.Installed(purl=purl, identity=_number(Quality, of["identity"]), digest=digest)


def finding(of: Json) -> run_pb2.Finding:
    """A rule that fired, with its evidence."""
    process, origin = of["process"], of["origin"]
    return run_pb2.Finding(
        id=of["id"],
        action=_done(of["action"]),
        would=_done(of["would"]),
        level=_number(Level, of["level"]),
        stage=_number(Stage, of["stage"]),
        actor=_number(Actor, of["actor"]),
        identity=_number(Quality, of["identity"]),
        candidates=_words(of["candidates"]),
        origin=_origin(origin) if origin else None,
        process=_process(process),
        ancestry=[_process(each) for each in process["ancestry"]],
        act=_number(Act, of["act"]),
        target=_target(of["target"]),
        groups=_words(of["groups"]),
        tainted=of["tainted"],
        time_us=moment(of["time"]),
        count=of["count"],
        source=_source(of["source"]) if of["source"] else None,
        techniques=_words(of["techniques"]),
        **{name: _text(of[name]) for name in ("rule", "title", "severity", "package", "explain", "allow")},
    )


def moment(text: str) -> int:
    """Microseconds since the epoch, of a time in a report."""
    return round(datetime.fromisoformat(text).timestamp() * 1e6)


def _policy(of: Json) -> run_pb2.Policy:
    sources = [
        run_pb2.PolicySource(
            path=_text(each["path"]), digest=each["digest"], kind=each["kind"], trusted=each["trusted"]
        )
        for each in of["sources"]
        if each["kind"] != "shipped"  # hundreds of them, and the digest stands for all
    ]
    return run_pb2.Policy(digest=of["digest"], profile=of["profile"], sources=sources)


def _peer(of: Json) -> run_pb2.Peer:
    return run_pb2.Peer(
        act=_number(Act, of["act"]),
        address=_text(of["address"]),
        port=_port(of["port"]),
        name=_text(of["name"]),
        actor=_number(Actor, of["actor"]),
        package=_text(of["package"]),
        action=_done(of["action"]),
        count=of["count"],
    )


def _origin(of: Json) -> run_pb2.Origin:
    return run_pb2.Origin(
        pid=of["pid"], argv=_words(of["argv"]), cwd=_text(of["cwd"]), reason=_text(of["reason"])
    )


def _process(of: Json) -> run_pb2.Process:
    actor = _number(Actor, of.get("actor"))
    return run_pb2.Process(
        pid=of["pid"], exe=_text(of["exe"]), argv=_words(of["argv"]), parent=of.get("parent"), actor=actor
    )


def _target(of: Json) -> run_pb2.Target:
    texts = {name: _text(of[name]) for name in _TARGET if of.get(name) is not None}
    rest = {key: value for key, value in of.items() if key not in (*_TARGET, *_TARGET_NUMBERS)}
    return run_pb2.Target(
        port=_port(of.get("port")),
        pid=of["pid"] if isinstance(of.get("pid"), int) else None,
        more=json.dumps(rest, sort_keys=True)[:_MOST_TEXT] if rest else "",
        **texts,
    )


def _source(of: Json) -> run_pb2.SourceLine:
    texts = {name: _text(of[name]) for name in ("file", "function", "quality")}
    return run_pb2.SourceLine(line=of["line"] or 0, **texts)


def _number(listed: type[Word], word: str | None) -> Any:
    """The number of a word, for a field of the generated enumeration; 0 where the report says nothing."""
    return int(listed.parse(word)) if word else 0


def _done(word: str | None) -> Any:
    return int(_DONE[word])


def _port(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value <= _MOST_PORT else None


def _text(value: object) -> str:
    return "" if value is None else str(value)[:_MOST_TEXT]


def _words(values: Iterable[object] | None) -> list[str]:
    return [_text(value) for value, _ in zip(values or (), range(MOST_WORDS), strict=False)]
