"""Recorded events → rows of the wire: redacted at the source, valid Unicode, and cut to the wire's bounds."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pratique.api.columns import Row, Shape
from pratique.api.v1 import events_pb2
from pratique.api.wire import MOST_GROUPS, MOST_TEXT, MOST_WORDS
from pratique.model import Event, Exec, Kind
from pratique.runs import escape, redact
from pratique.runs.run import Settled
from pratique.runs.tree import bounded

_KINDS = {
    Kind.FORK: events_pb2.KIND_FORK,
    Kind.EXEC: events_pb2.KIND_EXEC,
    Kind.EXIT: events_pb2.KIND_EXIT,
    Kind.ACT: events_pb2.KIND_ACT,
}
_TEXTS = ("path", "to", "address", "name", "protocol", "request")
_NUMBERS = {"port": "port", "errno": "errno", "status": "status", "pid": "victim"}
_LARGEST = 2**32 - 1
_KEPT = 20_000
_CUT = MOST_TEXT - 16


class Redactor:
    """Redacts texts, each once: the same few thousand stand in all events of a run."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {"": ""}
        self._argvs: dict[Sequence[str], tuple[str, ...]] = {(): ()}

    def text(self, value: str) -> str:
        """A path, name or address."""
        known = self._texts.get(value)
        if known is None:
            known = plain(redact.path(value[:_CUT]))
            _keep(self._texts, value, known)
        return known

    def argv(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """A command line."""
        known = self._argvs.get(words)
        if known is None:
            # Cut after redaction: half a token is no longer known for one.
            known = bounded(tuple(self.text(word) for word in redact.argv(words[:MOST_WORDS])))
            _keep(self._argvs, words, known)
        return known


def rows(recorded: Iterable[Event | Settled], redactor: Redactor) -> list[Row]:
    """One row per event; an exec that waited for its settlement shows what it was settled to."""
    made: list[Row] = []
    pending: dict[int, int] = {}
    for item in recorded:
        if isinstance(item, Settled):
            if (place := pending.pop(item.pid, None)) is not None:
                made[place] = _settled(made[place], item)
            continue
        if item.exec is not None and item.exec.pending:
            pending[item.pid] = len(made)
        made.append(row(item, redactor))
    return made


def row(event: Event, redactor: Redactor) -> Row:
    """One event."""
    target = event.target
    known: dict[str, Any] = {key: redactor.text(str(target[key])) for key in _TEXTS if target.get(key)}
    known |= {name: _number(target[key]) for key, name in _NUMBERS.items() if target.get(key)}
    if event.exec is not None:
        known |= _exec(event.exec, redactor)
    elif target.get("exe"):
        known["exe"] = redactor.text(str(target["exe"]))
    return Row(
        time_us=round(event.time * 1e6),
        shape=_shape(event),
        pid=event.pid,
        ppid=event.ppid,
        origin=event.origin,
        comm=redactor.text(event.comm),
        argv=redactor.argv(event.exec.argv) if event.exec is not None else (),
        more=_more(target, redactor),
        **known,
    )


def plain(text: str) -> str:
    """Valid Unicode: undecodable bytes are spelt out, as in a report."""
    return text if text.isascii() else str(escape.unicode_only(text))[:MOST_TEXT]


def _keep(held: dict[Any, Any], key: object, value: object) -> None:
    """Names made up without end must not fill the memory."""
    if len(held) >= _KEPT:
        held.clear()
    held[key] = value


def _shape(event: Event) -> Shape:
    return Shape(
        _KINDS[event.kind],
        int(event.stage),
        int(event.actor),
        int(event.act or 0),
        int(event.action),
        int(event.would or 0),
        int(event.level or 0),
        event.tainted,
        event.rule or "",
        event.groups[:MOST_GROUPS],
    )


def _settled(known: Row, settled: Settled) -> Row:
    shape = known.shape._replace(stage=int(settled.stage), actor=int(settled.actor))
    return known._replace(shape=shape, origin=settled.origin)


def _exec(image: Exec, redactor: Redactor) -> dict[str, str]:
    interp = redactor.text(image.interp) if image.interp != image.exe else ""
    return {"exe": redactor.text(image.exe), "interp": interp, "cwd": redactor.text(image.cwd)}


def _number(value: object) -> int:
    return min(max(int(value), 0), _LARGEST) if isinstance(value, int) else 0


def _more(target: Mapping[str, Any], redactor: Redactor) -> str:
    """What has no column, as JSON; too much of it is left out."""
    rest = {
        str(key)[:40]: value
        for key, value in target.items()
        if key not in _TEXTS and key not in _NUMBERS and key != "exe" and value is not None
    }
    if not rest:
        return ""
    shown = redact.everything(rest)  # however deep a value is
    text = json.dumps(shown, default=lambda value: redactor.text(str(value)), sort_keys=True)
    return text if len(text) <= _CUT else ""
