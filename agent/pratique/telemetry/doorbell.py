"""There is one uplink for a place, and runs can ring at its door."""

import fcntl
import os
import queue
import socket
import threading
import time
from contextlib import suppress

from pratique.errors import PratiqueError
from pratique.telemetry import poke
from pratique.telemetry.place import Place

_PAUSE = 0.1


class AlreadyRunningError(PratiqueError):
    """Another uplink has this place, and knows that there is work."""


class Doorbell:
    """The socket where runs poke: each poke is a word in the inbox. Closed, pokes fail, and a run starts another."""

    def __init__(self, place: Place, inbox: "queue.SimpleQueue[object]") -> None:
        self._place, self._inbox = place, inbox
        self._line: socket.socket | None = None

    def open(self) -> None:
        """Listen."""
        self._place.socket.unlink(missing_ok=True)
        line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        # By the open directory: a long path does not fit into an address.
        folder = os.open(self._place.folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            line.bind(f"/proc/self/fd/{folder}/{self._place.socket.name}")
        finally:
            os.close(folder)
        self._line = line
        threading.Thread(target=self._listen, args=(line,), name="pratique-doorbell", daemon=True).start()

    def close(self) -> None:
        """From now on pokes fail; safe to call twice."""
        if self._line is not None:
            self._place.socket.unlink(missing_ok=True)
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)  # wakes the listener
            self._line.close()
            self._line = None

    def _listen(self, line: socket.socket) -> None:
        with suppress(OSError):
            while line.recv(16):
                self._inbox.put("work")


def locked(place: Place, patience: float, stopping: threading.Event) -> int:
    """The lock of the place, as a descriptor; waits `patience` seconds for an uplink that is about to end.

    `AlreadyRunningError` when one goes on: it was poked, so that nothing waits for want of a listener.
    """
    descriptor = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    deadline = time.monotonic() + patience
    while not stopping.is_set():
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        if time.monotonic() > deadline or (patience != float("inf") and poke.poke(place)):
            break
        stopping.wait(_PAUSE)
    os.close(descriptor)
    raise AlreadyRunningError("an uplink is running already")
