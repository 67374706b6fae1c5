"""What is sent, as people can read it: decoded from the very bytes that wait, or would be made of a trace."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict

from pratique.api import columns
from pratique.api.columns import Row, Shape
from pratique.api.v1 import events_pb2, telemetry_pb2
from pratique.telemetry.spool import Waiting
from pratique.words import Act, Action, Actor, Level, Stage, Word

_WORDS: Mapping[str, type[Word]] = {
    "stage": Stage,
    "actor": Actor,
    "act": Act,
    "action": Action,
    "would": Action,
    "level": Level,
}


def shown(waiting: Iterable[Waiting]) -> Iterator[dict[str, Any]]:
    """One object per batch: its envelope, and its events in the place of the payload."""
    for batch in waiting:
        request = telemetry_pb2.PutBatchRequest.FromString(batch.message)
        events = _events(request)
        request.ClearField("payload")
        yield {
            **MessageToDict(request, preserving_proto_field_name=True),
            "bytes_on_the_wire": len(batch.message),
            "events": events,
        }


def as_json(waiting: Iterable[Waiting]) -> Iterator[str]:
    """One JSON text per batch; ASCII only, so that no name in it commands a terminal."""
    return (json.dumps(each, indent=1) for each in shown(waiting))


def _events(request: telemetry_pb2.PutBatchRequest) -> list[dict[str, Any]]:
    if not request.payload:
        return []
    held = columns.decode(request.payload, request.records, request.raw_size)
    return [_event(row) for row in held.rows()]


def _event(row: Row) -> dict[str, Any]:
    rest = {
        name: value for name, value in row._asdict().items() if name != "shape" and value not in ("", 0, ())
    }
    return {**_shape(row.shape), **rest}


def _shape(shape: Shape) -> dict[str, Any]:
    words = {
        name: listed(getattr(shape, name)).word for name, listed in _WORDS.items() if getattr(shape, name)
    }
    kind = events_pb2.Kind.Name(shape.kind).removeprefix("KIND_").lower()
    rest = {"tainted": shape.tainted, "rule": shape.rule, "groups": list(shape.groups)}
    return {"kind": kind, **words, **{name: value for name, value in rest.items() if value}}
