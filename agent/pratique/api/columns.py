"""The columnar codec of `proto/pratique/api/v1/events.proto`: rows ↔ columns ↔ one zstd frame.

What is decoded comes from hostile hosts: everything that could cost more than its size is bounded before it is spent,
and whatever does not fit raises `WireError` and nothing else.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate, chain, islice
from operator import sub
from typing import Any, NamedTuple

import zstandard
from google.protobuf.message import DecodeError

from pratique.api.v1 import events_pb2
from pratique.api.wire import (
    MOST_EXPANDED,
    MOST_GROUPS,
    MOST_PAYLOAD,
    MOST_RAW,
    MOST_RECORDS,
    MOST_TEXT,
    MOST_WORDS,
    WireError,
)

_LEVEL = 3
_WINDOW = MOST_RAW  # a frame may not ask for more memory than its content could need
_LATEST = 1 << 62
_LARGEST_PID = 1 << 32


class Shape(NamedTuple):
    """What many events have in common; numbers are those of the wire, 0 where there is none."""

    kind: int
    stage: int
    actor: int
    act: int = 0
    action: int = 0
    would: int = 0
    level: int = 0
    tainted: bool = False
    rule: str = ""
    groups: tuple[str, ...] = ()


class Row(NamedTuple):
    """One event; texts are empty and numbers 0 where it has none."""

    time_us: int
    shape: Shape
    pid: int
    ppid: int = 0
    origin: int = 0
    comm: str = ""
    exe: str = ""
    interp: str = ""
    cwd: str = ""
    argv: tuple[str, ...] = ()
    path: str = ""
    to: str = ""
    address: str = ""
    port: int = 0
    name: str = ""
    protocol: str = ""
    request: str = ""
    errno: int = 0
    status: int = 0
    victim: int = 0
    more: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """The events of a batch as columns, each as long as the batch; the order of fields is that of `Row`."""

    time_us: Sequence[int]
    shape: Sequence[Shape]
    pid: Sequence[int]
    ppid: Sequence[int]
    origin: Sequence[int]
    comm: Sequence[str]
    exe: Sequence[str]
    interp: Sequence[str]
    cwd: Sequence[str]
    argv: Sequence[tuple[str, ...]]
    path: Sequence[str]
    to: Sequence[str]
    address: Sequence[str]
    port: Sequence[int]
    name: Sequence[str]
    protocol: Sequence[str]
    request: Sequence[str]
    errno: Sequence[int]
    status: Sequence[int]
    victim: Sequence[int]
    more: Sequence[str]

    def __len__(self) -> int:
        return len(self.time_us)

    def rows(self) -> Iterator[Row]:
        """The same as rows."""
        return map(Row._make, zip(*(getattr(self, name) for name in _NAMES), strict=True))


@dataclass(frozen=True, slots=True)
class Packed:
    """A payload, and what its envelope says of it."""

    payload: bytes
    raw_size: int
    records: int
    first_us: int
    last_us: int


_NAMES = tuple(field.name for field in fields(Columns))
_TEXTS = ("comm", "exe", "interp", "cwd", "path", "to", "address", "name", "protocol", "request", "more")
_NUMBERS = ("origin", "port", "errno", "status", "victim")


class _Own(threading.local):
    """A context of zstd for each thread: making one costs as much as a small batch."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True)
        self.decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)


_own = _Own()


class _Texts(dict[str, int]):
    """The dictionary under construction: a look-up gives the reference, adding the text when it is new."""

    def __missing__(self, text: str) -> int:
        self[text] = reference = len(self)
        return reference


def encode(rows: Sequence[Row]) -> Packed:
    """The payload of at most `MOST_RECORDS` rows; texts must be valid Unicode and within `MOST_TEXT`."""
    if not 0 < len(rows) <= MOST_RECORDS:
        raise ValueError(f"{len(rows)} rows make no batch")
    raw = _message(rows).SerializeToString()
    payload = _own.compressor.compress(raw)
    return Packed(
        payload, len(raw), len(rows), min(row.time_us for row in rows), max(row.time_us for row in rows)
    )


def _message(rows: Sequence[Row]) -> events_pb2.Columns:
    column = dict(zip(_NAMES, zip(*rows, strict=True), strict=True))
    texts = _Texts({"": 0})
    refer = texts.__getitem__
    shapes = {shape: number for number, shape in enumerate(dict.fromkeys(column["shape"]))}
    given: dict[str, Any] = {
        "records": len(rows),
        "shape": map(shapes.__getitem__, column["shape"]),
        "shapes": [_shape(shape, refer) for shape in shapes],
        **{name: _deltas(column[name]) for name in ("time_us", "pid", "ppid")},
        **{name: column[name] for name in _NUMBERS if any(column[name])},
        **{name: map(refer, column[name]) for name in _TEXTS if any(column[name])},
    }
    if any(column["argv"]):
        given["argv"] = map(len, column["argv"])
        given["argv_words"] = map(refer, chain.from_iterable(column["argv"]))
    message = events_pb2.Columns(**given)
    message.text.extend(islice(texts, 1, None))
    return message


def _shape(shape: Shape, refer: Callable[[str], int]) -> events_pb2.Shape:
    return events_pb2.Shape(
        **{**shape._asdict(), "rule": refer(shape.rule), "groups": map(refer, shape.groups)}
    )


def _deltas(values: Iterable[int]) -> Iterable[int]:
    held = tuple(values)
    return map(sub, held, chain((0,), held))


def decode(payload: bytes, records: int, raw_size: int) -> Columns:
    """The columns of a payload whose envelope promised so many records and bytes; `WireError` for all else."""
    message = _received(payload, records, raw_size)
    try:
        return _columns(message, records)
    except IndexError:
        raise WireError("a reference leads nowhere") from None


def check(payload: bytes, records: int, raw_size: int) -> None:
    """Raise `WireError` where `decode` would, at a fraction of its cost: for who stores payloads as they are."""
    message = _received(payload, records, raw_size)
    try:
        _check(message, records)
    except IndexError:
        raise WireError("a reference leads nowhere") from None


def _received(payload: bytes, records: int, raw_size: int) -> events_pb2.Columns:
    if not 0 < records <= MOST_RECORDS:
        raise WireError("the number of records is out of bounds")
    message = events_pb2.Columns()
    try:
        message.ParseFromString(_decompressed(payload, raw_size))
    except DecodeError:
        raise WireError("the payload is no Columns message") from None
    if message.records != records:
        raise WireError("the payload has another number of records than its envelope")
    return message


def _check(message: events_pb2.Columns, records: int) -> None:
    texts = ["", *message.text[:]]
    _words(message, records)
    _check_sizes(message, texts, records)
    for shape in message.shapes:
        _shape_of(shape, texts)
    references = [(message.shape, len(message.shapes)), (message.argv_words, len(texts))]
    references += [(getattr(message, name), len(texts)) for name in _TEXTS]
    for column, end in references:
        if max(column[:], default=0) >= end:  # a slice is a list, and that is quicker to go through
            raise IndexError
    for name in ("shape", *_NUMBERS, *_TEXTS):
        if len(getattr(message, name)) not in (0, records):
            raise WireError(f"the column {name} has not one value per record")
    for name, below in (("time_us", _LATEST), ("pid", _LARGEST_PID), ("ppid", _LARGEST_PID)):
        _summed(_full(getattr(message, name), records, name), below)


def _decompressed(payload: bytes, raw_size: int) -> bytes:
    if not 0 < raw_size <= MOST_RAW or len(payload) > MOST_PAYLOAD:
        raise WireError("the payload is too large, or empty")
    try:
        header = zstandard.get_frame_parameters(payload)
        if header.content_size != raw_size or header.window_size > _WINDOW:
            raise WireError("the payload is not compressed as its envelope says")
        return _own.decompressor.decompress(payload, max_output_size=raw_size, allow_extra_data=False)
    except zstandard.ZstdError:
        raise WireError("the payload is no zstd frame") from None


def _columns(message: events_pb2.Columns, records: int) -> Columns:
    texts = ["", *message.text[:]]
    words = _words(message, records)
    _check_sizes(message, texts, records)
    shapes = [_shape_of(shape, texts) for shape in message.shapes]
    given: dict[str, Sequence[Any]] = {
        "shape": list(map(shapes.__getitem__, _full(message.shape, records, "shape"))),
        "argv": _sliced(words, message.argv_words, texts),
        "time_us": _summed(_full(message.time_us, records, "time_us"), _LATEST),
        "pid": _summed(_full(message.pid, records, "pid"), _LARGEST_PID),
        "ppid": _summed(_full(message.ppid, records, "ppid"), _LARGEST_PID),
        **{name: _full(getattr(message, name), records, name) for name in _NUMBERS},
        **{name: _referred(getattr(message, name), records, name, texts) for name in _TEXTS},
    }
    return Columns(**given)


def _full(column: Sequence[int], records: int, name: str) -> Sequence[int]:
    if len(column) not in (0, records):
        raise WireError(f"the column {name} has not one value per record")
    return column[:] if column else [0] * records


def _referred(column: Sequence[int], records: int, name: str, texts: list[str]) -> list[str]:
    if not column:
        return [""] * records
    if len(column) != records:
        raise WireError(f"the column {name} has not one value per record")
    return list(map(texts.__getitem__, column))


def _summed(deltas: Iterable[int], below: int) -> list[int]:
    values = list(accumulate(deltas))
    if min(values) < 0 or max(values) >= below:
        raise WireError("a time or pid is out of bounds")
    return values


def _words(message: events_pb2.Columns, records: int) -> Sequence[int]:
    """How many words each command line has; they must use up the words that are there."""
    counts = _full(message.argv, records, "argv")
    if max(counts) > MOST_WORDS or sum(counts) != len(message.argv_words):
        raise WireError("a command line has too many words, or others than it counted")
    return counts


def _sliced(counts: Sequence[int], words: Sequence[int], texts: list[str]) -> list[tuple[str, ...]]:
    """Most events have no command line: one empty tuple stands for all of these."""
    if not words:
        return [()] * len(counts)
    ends = list(accumulate(counts))
    named = list(map(texts.__getitem__, words))
    return [tuple(named[end - count : end]) if count else () for count, end in zip(counts, ends, strict=True)]


def _shape_of(shape: events_pb2.Shape, texts: list[str]) -> Shape:
    if len(shape.groups) > MOST_GROUPS:
        raise WireError("an object has too many groups")
    return Shape(
        shape.kind,
        shape.stage,
        shape.actor,
        shape.act,
        shape.action,
        shape.would,
        shape.level,
        shape.tainted,
        texts[shape.rule],
        tuple(texts[reference] for reference in shape.groups),
    )


def _check_sizes(message: events_pb2.Columns, texts: list[str], records: int) -> None:
    """A text referred to a million times costs nothing here, but whoever writes it out would pay for it."""
    if len(message.shapes) > records:
        raise WireError("there are more shapes than records")
    sizes = [len(text) for text in texts]
    longest = max(sizes)
    if longest > MOST_TEXT:
        raise WireError("a text is too long")
    references = [message.argv_words, *(getattr(message, name) for name in _TEXTS)]
    if longest * sum(len(column) for column in references) <= MOST_EXPANDED:
        return
    if sum(sizes[reference] for column in references for reference in column) > MOST_EXPANDED:
        raise WireError("the texts are too long when written out")
