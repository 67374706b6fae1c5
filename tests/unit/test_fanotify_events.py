"""What a read of a fanotify group returns is bytes from the kernel with names from hostile code in them."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.backends.hooks.fanotify import CREATE, MOVED_TO, OPEN_PERM, Entry, Event, parse

_fsids = st.binary(min_size=8, max_size=8)
_names = st.binary(min_size=1, max_size=255).filter(lambda name: b"\0" not in name and b"/" not in name)


def _info(kind: int, body: bytes) -> bytes:
    padded = body + b"\0" * (-(len(body) + 4) % 4)
    return struct.pack("=BBH", kind, 0, 4 + len(padded)) + padded


def _directory_name(fsid: bytes, identity: bytes, name: bytes) -> tuple[bytes, Entry]:
    directory = fsid + struct.pack("=Ii", len(identity), 1) + identity
    return _info(2, directory + name + b"\0"), Entry(directory, name.decode("utf-8", "surrogateescape"))


def _record(mask: int, fd: int, pid: int, infos: bytes = b"", header: int = 24) -> bytes:
    length = header + len(infos)
    return struct.pack("=IBBHQii", length, 3, 0, header, mask, fd, pid) + b"\0" * (header - 24) + infos


@given(st.lists(st.tuples(st.integers(0, 1023), st.integers(0, 2**22)), max_size=70))
def test_permission_events_in_order(openers: list[tuple[int, int]]) -> None:
    """Every opener of one read is seen, with its descriptor and pid, in the order it came."""
    data = b"".join(_record(OPEN_PERM, fd, pid) for fd, pid in openers)

    assert list(parse(data)) == [Event(OPEN_PERM, fd, pid) for fd, pid in openers]


@given(_fsids, st.binary(max_size=128), _names)
def test_names_come_whole(fsid: bytes, identity: bytes, name: bytes) -> None:
    """Any name a file system allows survives, undecodable bytes included, and its directory is named."""
    info, entry = _directory_name(fsid, identity, name)

    assert list(parse(_record(CREATE, -1, 7, info))) == [Event(CREATE, -1, 7, (entry,))]


def test_unknown_records_and_longer_headers_are_passed_over() -> None:
    """A newer kernel may add information records and header fields."""
    info, entry = _directory_name(b"filesyst", b"handle", b".bashrc")
    data = _record(MOVED_TO, -1, 7, _info(99, b"something new") + info, header=32)

    assert list(parse(data)) == [Event(MOVED_TO, -1, 7, (entry,))]


@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_value_error_or_not_at_all(data: bytes) -> None:
    """Nothing but ValueError leaves the parser, and it always ends."""
    try:
        events = list(parse(data))
    except ValueError:
        return
    assert len(events) * 24 <= len(data)


@given(st.data())
def test_a_damaged_record_is_noticed_or_contained(data: st.DataObject) -> None:
    """One changed byte in a valid record cannot make the parser read outside it or fail in another way."""
    info, _ = _directory_name(b"filesyst", b"handle", b"name")
    record = bytearray(_record(CREATE, -1, 7, info))
    record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))

    try:
        events = list(parse(bytes(record)))
    except ValueError:
        return
    assert len(events) <= 1 or sum(24 for _ in events) <= len(record)


@given(st.integers(1, 23))
def test_events_before_a_cut_are_not_lost(cut: int) -> None:
    """Whoever waits for an answer to a whole event gets one even when the next record is damaged."""
    whole = _record(OPEN_PERM, 5, 7)
    events = parse(whole + whole[:cut])

    assert next(events) == Event(OPEN_PERM, 5, 7)
    with pytest.raises(ValueError, match="cut short"):
        next(events)


@pytest.mark.parametrize("version", [0, 2, 4])
def test_another_version_is_refused(version: int) -> None:
    """The layout of another record version is unknown: guessing would answer the wrong opener."""
    record = bytearray(_record(OPEN_PERM, 5, 7))
    record[4] = version

    with pytest.raises(ValueError, match="version"):
        list(parse(bytes(record)))
