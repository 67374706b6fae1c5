"""The laboratory's witness: what has been sent was heard, however late its thread comes to it."""

import socket
import time

import pytest

from lab import sink as sinks
from lab.sink import Sink


def test_what_was_sent_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sent and went is heard at once, also by a thread that comes late to a second connection."""
    read = sinks._read_request

    def late(connection: socket.socket) -> bytes:
        time.sleep(0.1)
        return read(connection)

    monkeypatch.setattr(sinks, "_read_request", late)
    sink = Sink()
    port = sink.serve_loopback()
    for word in (b"first", b"second"):
        with socket.create_connection(("127.0.0.1", port)) as out:
            out.sendall(word)

    assert sorted(sink.received(port).split()) == [b"first", b"second"]
    sink.close()
    assert len(sink.received(port).split()) == 2


def test_datagrams_are_heard() -> None:
    """All that were sent before it was asked."""
    sink = Sink()
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))
    sink.serve(listener)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for _ in range(50):
            out.sendto(b"loot", listener.getsockname())

    assert sink.received().count(b"loot") == 50
    sink.close()


def test_whoever_says_nothing_holds_nobody_up() -> None:
    """A connection that stays open is waited for within bounds."""
    sink = Sink()
    with socket.create_connection(("127.0.0.1", sink.serve_loopback())):
        began = time.monotonic()
        sink.received()
        assert time.monotonic() - began < 10
    sink.close()
