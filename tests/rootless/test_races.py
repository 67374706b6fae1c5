"""Whoever decides on what a caller says, and lets the call go on, can be raced. Here nobody wins.

`make races` is the long form.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pratique.backends.rootless.capability import TRACED
from rootless.ground import Done, compiled, guarded, lay, unguarded
from rootless.plain import home, without_privilege

TRIES = int(os.environ.get("PRATIQUE_TRIES", "1000"))
# An open takes a microsecond: a thousand are over before a busy machine has run the other thread once.
_UNGUARDED_OPENS = max(TRIES, 200_000)
_UNGUARDED_CONNECTS = max(TRIES, 10_000)
_EXECS = int(os.environ.get("PRATIQUE_TRIES", "100"))
# The policy of the proof calls one of them global; the other draws no rule.
_ALLOWED, _REFUSED = "127.66.1.2", "127.66.1.1"
pytestmark = [pytest.mark.usefixtures("guarded_here"), pytest.mark.timeout(900, method="thread")]


def _enough(won: int, tries: int) -> None:
    assert won >= tries / 100, f"the control won {won} of {tries}: a race that cannot be won shows nothing"


def test_path(tier: str) -> None:
    """A path that another thread flips to a secret is never opened by package code."""
    racer = compiled("racer")
    with home() as place:
        argv = [str(racer), "path", f"{place}/.awt/credentials", f"{place}/.aws/credentials"]
        control, done = without_privilege(lambda: _opens(place, argv))

    _enough(int(control.out), _UNGUARDED_OPENS)
    if tier == str(TRACED):  # killed for what it has opened, before it could say so
        assert (done.signal, done.out) in ((signal.SIGKILL, ""), (None, "0\n"))
    else:
        assert (done.status, int(done.out)) == (0, 0)


def _opens(place: Path, argv: list[str]) -> tuple[Done, Done]:
    lay(place)
    return (
        unguarded(place, [*argv, str(_UNGUARDED_OPENS)], {}),
        guarded(place, [*argv, str(TRIES)], {}),
    )


def test_address() -> None:
    """An address that another thread flips to that of a stranger is never connected to."""
    racer = compiled("racer")
    with home() as place:
        control, strange, done = without_privilege(lambda: _connects(place, str(racer)))

    _enough(control, _UNGUARDED_CONNECTS)
    assert strange == 0
    assert (done.status, int(done.out) > 0) == (0, True)


def _connects(place: Path, racer: str) -> tuple[int, int, Done]:
    lay(place)
    with socket.create_server((_ALLOWED, 0), backlog=4096) as allowed:
        port = allowed.getsockname()[1]
        with socket.create_server((_REFUSED, port), backlog=4096) as refused:
            heard = [0, 0]

            def listen() -> None:
                for index, server in enumerate((allowed, refused)):
                    heard[index] += _accepted(server)

            argv, environment = [racer, "connect", _ALLOWED, _REFUSED], {"PORT": str(port)}
            with _listening(listen):
                unguarded(place, [*argv, str(_UNGUARDED_CONNECTS)], environment)
            listen()
            control = heard[1]
            done = guarded(place, [*argv, str(TRIES)], environment, meanwhile=listen)
            listen()
    return control, heard[1] - control, done


@contextmanager
def _listening(do: Callable[[], None]) -> Iterator[None]:
    """Does something over and over in a thread, as long as the block lasts."""
    over = threading.Event()

    def loop() -> None:
        while not over.wait(0.001):
            do()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _accepted(server: socket.socket) -> int:
    server.setblocking(False)
    number = 0
    while True:
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return number
        number += 1


def test_program() -> None:
    """A program that another thread puts in place of a harmless one never does what it is for."""
    racer = compiled("racer")
    with home() as place:
        argv = [str(racer), "exec", f"{place}/bin/crontac", f"{place}/bin/crontab", str(_EXECS)]
        control, marked = without_privilege(lambda: _marks(place, argv))

    assert control, "the control never started the other program"
    assert not marked


def _marks(place: Path, argv: list[str]) -> tuple[bool, bool]:
    lay(place)
    marks = [place / "free/control", place / "free/guarded"]
    unguarded(place, argv, {"MARK": str(marks[0])})
    guarded(place, argv, {"MARK": str(marks[1])})
    return marks[0].exists(), marks[1].exists()
