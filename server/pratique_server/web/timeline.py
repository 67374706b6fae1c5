"""Events → a picture: a lane per package, a mark per act, as many as the eye can tell apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pratique.api.columns import Row
from pratique.api.v1 import events_pb2, words_pb2
from pratique_server import wording
from pratique_server.web.visible import command_line, visible

_STEPS = 240
_MOST_LANES = 24
_LONGEST = 300
_MEANING: dict[int, str] = {
    words_pb2.ACTION_ALLOW: "allowed",
    words_pb2.ACTION_AUDIT: "audited",
    words_pb2.ACTION_DENY: "blocked",
    words_pb2.ACTION_KILL: "blocked",
}
_WEIGHT = {"allowed": 0, "audited": 1, "blocked": 2}


@dataclass(slots=True)
class Mark:
    """Acts of one kind, so near to each other that they are one mark."""

    at: float
    """Per cent of the run's time."""
    kind: str
    meaning: str
    text: str
    count: int = 1


@dataclass(slots=True)
class Lane:
    """The acts of one package, or of somebody who is none."""

    name: str
    purl: str | None
    refused: int = 0
    events: int = 0
    marks: dict[tuple[int, str], Mark] = field(default_factory=dict)

    @property
    def shown(self) -> list[Mark]:
        """Marks, the gravest last, so that they are drawn on top."""
        return sorted(self.marks.values(), key=lambda mark: (_WEIGHT[mark.meaning], mark.at))


def lanes(rows: Sequence[Row], owners: Mapping[int, str]) -> tuple[list[Lane], int]:
    """The lanes of a run, those with refusals first, and how many were left out; `owners`: origin → purl."""
    if not rows:
        return [], 0
    first, last = rows[0].time_us, rows[-1].time_us
    made: dict[str, Lane] = {}
    for row in rows:
        kind = _kind(row)
        if kind is None:
            continue
        name, purl = _owner(row, owners)
        lane = made.setdefault(name, Lane(name, purl))
        _add(lane, row, kind, (row.time_us - first) / max(last - first, 1))
    ordered = sorted(made.values(), key=lambda lane: (-lane.refused, -lane.events))
    return ordered[:_MOST_LANES], len(ordered[_MOST_LANES:])


def _add(lane: Lane, row: Row, kind: str, place: float) -> None:
    meaning = _MEANING.get(row.shape.action, "audited")
    lane.events += 1
    lane.refused += meaning == "blocked"
    key = (int(place * _STEPS), kind)
    known = lane.marks.get(key)
    if known is None:
        lane.marks[key] = Mark(round(place * 98, 2), kind, meaning, _text(row))
        return
    known.count += 1
    if _WEIGHT[meaning] > _WEIGHT[known.meaning]:
        known.meaning, known.text = meaning, _text(row)


def _kind(row: Row) -> str | None:
    if row.shape.kind == events_pb2.KIND_EXEC:
        return "exec"
    if row.shape.kind != events_pb2.KIND_ACT:
        return None
    act = wording.word(words_pb2.Act, row.shape.act) or ""
    family = act.partition(".")[0]
    if family == "file" and row.shape.action == words_pb2.ACTION_ALLOW and not row.shape.groups:
        return None  # ordinary files are many, and say nothing
    return {"net": "net", "file": "file", "exec": "exec"}.get(family, "other")


def _owner(row: Row, owners: Mapping[int, str]) -> tuple[str, str | None]:
    purl = owners.get(row.origin)
    if purl:
        return purl, purl
    actor = wording.word(words_pb2.Actor, row.shape.actor) or "unknown"
    return (f"{actor}, origin {row.origin}" if row.origin else actor), None


def _text(row: Row) -> str:
    act = wording.word(words_pb2.Act, row.shape.act) or "exec"
    return visible(f"{act} {object_of(row)}", _LONGEST)


def object_of(row: Row) -> str:
    """What was acted on, in one line."""
    if row.shape.kind == events_pb2.KIND_EXEC:
        return command_line(row.argv) or row.exe
    where = f"{row.address}:{row.port}" if row.port else row.address
    named = f"{row.name} ({where})" if row.name and where else row.name or where
    return row.path or named or row.exe or row.request or row.comm
