"""The races of `racer.c` in one home: unguarded, which must be won, and behind the guard, which must not.

``python3 -m rootless.races TRIES [RACE …]`` from `tests/`, by a person without privilege, prints a line of JSON.
"""

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rootless.ground import Done, compiled, guarded, lay, unguarded
from rootless.plain import home, without_privilege

# An open takes a microsecond: a thousand are over before a busy machine has run the other thread once.
_UNGUARDED_OPENS = 200_000
_UNGUARDED_CONNECTS = 10_000
_LEAST = 100
# The policy of the proof calls one of them global; the other draws no rule.
_ALLOWED, _REFUSED = "127.66.1.2", "127.66.1.1"


@dataclass(frozen=True, slots=True)
class Raced:
    """What came of one race."""

    tries: int
    won: int
    control_tries: int
    control_won: int
    done: Done
    """The guarded one."""

    @property
    def could_be_won(self) -> bool:
        """Whether the control won often enough to show anything."""
        return self.control_won >= self.control_tries / _LEAST


def path(place: Path, racer: str, tries: int) -> Raced:
    """A path that another thread flips to a secret."""
    lay(place)
    argv = [racer, "path", f"{place}/.awt/credentials", f"{place}/.aws/credentials"]
    free = max(tries, _UNGUARDED_OPENS)
    control = unguarded(place, [*argv, str(free)], {})
    done = guarded(place, [*argv, str(tries)], {})
    return Raced(tries, int(done.out or 0), free, int(control.out), done)


def address(place: Path, racer: str, tries: int) -> Raced:
    """An address that another thread flips to that of a stranger, who counts."""
    lay(place)
    free = max(tries, _UNGUARDED_CONNECTS)
    with socket.create_server((_ALLOWED, 0), backlog=4096) as allowed:
        port = allowed.getsockname()[1]
        with socket.create_server((_REFUSED, port), backlog=4096) as refused:
            heard = [0, 0]

            def listen() -> None:
                for index, server in enumerate((allowed, refused)):
                    heard[index] += _accepted(server)

            argv = [racer, "connect", _ALLOWED, _REFUSED]
            environment = {"PORT": str(port)}
            with _listening(listen):
                unguarded(place, [*argv, str(free)], environment)
            listen()
            control = heard[1]
            done = guarded(place, [*argv, str(tries)], environment, meanwhile=listen)
            listen()
    return Raced(tries, heard[1] - control, free, control, done)


def program(place: Path, racer: str, tries: int) -> Raced:
    """A program that another thread puts in place of a harmless one: each time it runs it leaves a file."""
    lay(place)
    argv = [racer, "exec", f"{place}/bin/crontac", f"{place}/bin/crontab", str(tries)]
    marks = [place / "free/control", place / "free/guarded"]
    for folder in marks:
        folder.mkdir()
    unguarded(place, argv, {"MARK": str(marks[0])})
    done = guarded(place, argv, {"MARK": str(marks[1])})
    control, won = (sum(1 for _ in folder.iterdir()) for folder in marks)
    return Raced(tries, won, tries, control, done)


RACES = {"path": path, "address": address, "program": program}


def raced(name: str, tries: int) -> Raced:
    """Run the race of that name in a home of its own, without privilege."""
    racer = str(compiled("racer"))
    with home() as place:
        return without_privilege(lambda: RACES[name](place, racer, tries))


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


def main(tries: str, *wanted: str) -> None:
    """Print what came of each."""
    found = {name: raced(name, int(tries)) for name in wanted or RACES}
    sys.stdout.write(json.dumps({name: _told(each) for name, each in found.items()}) + "\n")


def _told(each: Raced) -> dict[str, int | bool | None]:
    return {
        "tries": each.tries,
        "won": each.won,
        "control_tries": each.control_tries,
        "control_won": each.control_won,
        "could_be_won": each.could_be_won,
        "status": each.done.status,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
