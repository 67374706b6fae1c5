"""The columnar codec: what goes in comes out, and no bytes from a hostile host cost more than their bounds."""

import time
import tracemalloc
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fuzz import examples
from pratique.api import columns
from pratique.api.columns import Row, Shape
from pratique.api.v1 import events_pb2
from pratique.api.wire import MOST_PAYLOAD, MOST_RAW, MOST_RECORDS, MOST_TEXT, MOST_WORDS, WireError

TEXT = st.text(max_size=40)
NUMBER = st.integers(0, 2**31 - 1)
SHAPES = st.builds(
    Shape,
    kind=st.integers(0, 4),
    stage=st.integers(0, 4),
    actor=st.integers(0, 5),
    act=st.integers(0, 21),
    action=st.integers(0, 3),
    would=st.integers(0, 3),
    level=st.integers(0, 5),
    tainted=st.booleans(),
    rule=TEXT,
    groups=st.lists(TEXT, max_size=4).map(tuple),
)
ROWS = st.builds(
    Row,
    time_us=st.integers(0, 2**61),
    shape=SHAPES,
    argv=st.lists(TEXT, max_size=5).map(tuple),
    **dict.fromkeys(("pid", "ppid", "origin", "port", "errno", "status", "victim"), NUMBER),
    **dict.fromkeys(
        ("comm", "exe", "interp", "cwd", "path", "to", "address", "name", "protocol", "request", "more"), TEXT
    ),
)
PLAIN = Row(1_700_000_000_000_000, Shape(4, 3, 5, 3), 4_120, path="/home/dev/.aws/credentials")


@settings(deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=30))
def test_rows_come_out_as_they_went_in(rows: list[Row]) -> None:
    """Nothing an event says is lost or changed on the wire."""
    packed = columns.encode(rows)

    decoded = columns.decode(packed.payload, packed.records, packed.raw_size)

    assert list(decoded.rows()) == rows
    assert len(decoded) == packed.records == len(rows)
    assert (packed.first_us, packed.last_us) == (min(r.time_us for r in rows), max(r.time_us for r in rows))


@pytest.mark.parametrize("rows", [[], [PLAIN] * (MOST_RECORDS + 1)], ids=["none", "too many"])
def test_a_batch_has_a_size(rows: list[Row]) -> None:
    """What nobody would take is not made."""
    with pytest.raises(ValueError, match="make no batch"):
        columns.encode(rows)


def _frame(raw: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(raw)


def _decoded(raw: bytes, records: int) -> columns.Columns:
    return columns.decode(_frame(raw), records, len(raw))


@pytest.mark.wire("columns")
@settings(max_examples=examples(300), deadline=None)
@given(st.binary(max_size=300), st.integers(-1, MOST_RECORDS + 1), st.integers(-1, 600))
def test_any_bytes_are_refused_or_read(payload: bytes, records: int, raw_size: int) -> None:
    """Whatever a host sends, the answer is columns or a `WireError`."""
    try:
        columns.decode(payload, records, raw_size)
    except WireError:
        return


@pytest.mark.wire("columns")
@settings(max_examples=examples(500), deadline=None)
@given(st.binary(max_size=300), st.integers(1, 40))
@example(b"\x08\x01", 1)
def test_any_message_is_refused_or_read(raw: bytes, records: int) -> None:
    """The same behind a well-formed frame, where the parser of messages stands."""
    try:
        decoded = _decoded(raw, records)
    except WireError:
        return
    assert len(list(decoded.rows())) == records


REFERENCES = st.lists(st.integers(0, 5), max_size=6)
MESSAGES = st.builds(
    events_pb2.Columns,
    records=st.integers(0, 4),
    text=st.lists(TEXT, max_size=4),
    shapes=st.lists(
        st.builds(events_pb2.Shape, rule=st.integers(0, 5), groups=REFERENCES, kind=st.integers(0, 9)),
        max_size=5,
    ),
    **dict.fromkeys(
        ("shape", "origin", "argv", "argv_words", "path", "more", "port", "comm", "status"), REFERENCES
    ),
    **{name: st.lists(st.integers(-(2**63), 2**63 - 1), max_size=6) for name in ("time_us", "pid", "ppid")},
)


@pytest.mark.wire("columns")
@settings(max_examples=examples(800), deadline=None)
@given(MESSAGES, st.integers(1, 4))
def test_any_columns_are_refused_or_whole(message: events_pb2.Columns, records: int) -> None:
    """Columns of wrong length, references to nowhere and numbers without bounds never come out as rows."""
    try:
        decoded = _decoded(message.SerializeToString(), records)
    except WireError:
        return
    rows = list(decoded.rows())
    assert len(rows) == records == message.records
    assert all(0 <= row.pid < 2**32 and 0 <= row.time_us < 2**62 for row in rows)


@pytest.mark.wire("columns")
@settings(max_examples=examples(300), deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=5), st.data())
def test_a_flipped_bit_is_refused_or_read(rows: list[Row], data: st.DataObject) -> None:
    """A damaged payload does not bring the reader down."""
    packed = columns.encode(rows)
    place = data.draw(st.integers(0, len(packed.payload) * 8 - 1))
    damaged = bytearray(packed.payload)
    damaged[place // 8] ^= 1 << place % 8
    try:
        columns.decode(bytes(damaged), packed.records, packed.raw_size)
    except WireError:
        return


def _bomb() -> tuple[bytes, int, int]:
    raw = bytes(64 << 20)
    return _frame(raw), 1, len(raw)


def _lying_bomb() -> tuple[bytes, int, int]:
    payload, records, _ = _bomb()
    return payload, records, 100


def _silent_bomb() -> tuple[bytes, int, int]:
    payload = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(64 << 20))
    return payload, 1, 1000


def _two_frames() -> tuple[bytes, int, int]:
    packed = columns.encode([PLAIN])
    return packed.payload + _frame(bytes(1 << 20)), 1, packed.raw_size


def _wide_window() -> tuple[bytes, int, int]:
    raw = columns.encode([PLAIN])
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=0)
    made = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return made.compress(bytes(100)) + made.flush(), 1, raw.raw_size


def _from_message(**fields: object) -> tuple[bytes, int, int]:
    raw = events_pb2.Columns(
        **{"shapes": [events_pb2.Shape()], "shape": [0], "records": 1, **fields}
    ).SerializeToString()  # type: ignore[arg-type]
    return _frame(raw), 1, len(raw)


REFUSED: dict[str, tuple[Callable[[], tuple[bytes, int, int]], str]] = {
    "a bomb": (_bomb, "too large"),
    "a bomb whose envelope lies": (_lying_bomb, "not compressed as"),
    "a bomb that keeps its size secret": (_silent_bomb, "not compressed as"),
    "more behind the frame": (_two_frames, "no zstd frame"),
    "a window of 128 MiB": (_wide_window, "not compressed as"),
    "a payload above the bound": (lambda: (bytes(MOST_PAYLOAD + 1), 1, 10), "too large"),
    "an empty payload": (lambda: (b"", 0, 0), "out of bounds"),
    "other records than promised": (lambda: _from_message(records=2), "another number"),
    "a column too short": (lambda: _from_message(port=[1, 2]), "port has not one"),
    "a text column too long": (lambda: _from_message(path=[0, 0]), "path has not one"),
    "a shape that is not there": (lambda: _from_message(shape=[7]), "leads nowhere"),
    "a text that is not there": (lambda: _from_message(path=[7]), "leads nowhere"),
    "a rule that is not there": (lambda: _from_message(shapes=[events_pb2.Shape(rule=3)]), "leads nowhere"),
    "a word that is not there": (lambda: _from_message(argv=[1], argv_words=[9]), "leads nowhere"),
    "words that nobody counted": (lambda: _from_message(argv=[1], argv_words=[0, 0]), "too many words"),
    "too many words": (
        lambda: _from_message(argv=[MOST_WORDS + 1], argv_words=[0] * (MOST_WORDS + 1)),
        "too many words",
    ),
    "too many groups": (lambda: _from_message(shapes=[events_pb2.Shape(groups=[0] * 65)]), "too many groups"),
    "more shapes than records": (lambda: _from_message(shapes=[events_pb2.Shape()] * 2), "more shapes"),
    "a text without end": (lambda: _from_message(text=["x" * (MOST_TEXT + 1)]), "too long"),
    "a negative pid": (lambda: _from_message(pid=[-1]), "out of bounds"),
    "a time beyond all time": (lambda: _from_message(time_us=[2**62]), "out of bounds"),
    "text that is no Unicode": (lambda: (_frame(b"\x08\x01\x12\x01\xff"), 1, 5), "no Columns"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    """Each is refused, with a reason of ours and before it costs memory."""
    make, reason = REFUSED[what]
    payload, records, raw_size = make()
    tracemalloc.start()
    try:
        with pytest.raises(WireError, match=reason):
            columns.decode(payload, records, raw_size)
        assert tracemalloc.get_traced_memory()[1] < 4 * MOST_RAW
    finally:
        tracemalloc.stop()


def test_texts_cannot_be_multiplied() -> None:
    """A few kilobytes that refer to a long text a million times are refused before anyone writes them out."""
    words = MOST_WORDS * MOST_RECORDS // 4
    raw = events_pb2.Columns(
        records=MOST_RECORDS,
        text=["x" * MOST_TEXT],
        shapes=[events_pb2.Shape()],
        shape=[0] * MOST_RECORDS,
        argv=[MOST_WORDS // 4] * MOST_RECORDS,
        argv_words=[1] * words,
    ).SerializeToString()
    payload = _frame(raw)
    began = time.process_time()

    with pytest.raises(WireError, match="written out"):
        columns.decode(payload, MOST_RECORDS, len(raw))

    assert len(payload) < 10_000
    assert time.process_time() - began < 1


def test_the_bounds_leave_room() -> None:
    """The positive control: a full batch within every bound is read."""
    rows = [PLAIN._replace(pid=number, argv=("node", "x" * 1000)) for number in range(MOST_RECORDS)]
    packed = columns.encode(rows)

    assert packed.raw_size < MOST_RAW
    assert list(columns.decode(packed.payload, packed.records, packed.raw_size).rows()) == rows
