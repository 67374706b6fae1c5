"""The first process inside the namespaces of a run: it starts the command, reaps orphans, and is all that holds them.

The kernel ends everybody inside with it, and itself it ends with the supervisor: so nobody outlives either. It
stands outside ruleset and filter, does nothing for anybody, and takes no signal from inside.
"""

import os
import signal
import socket
from typing import NoReturn

from pratique.backends import syscalls
from pratique.backends.base import Command
from pratique.backends.hooks import launch
from pratique.backends.rootless import spaces
from pratique.errors import GuardError

FIRST, BORN, LISTENER, STARTED, ENDED, FAILED = "first", "born", "listener", "started", "ended", "failed"
"""What is said to the supervisor, a line each: a word and what belongs to it."""


class Voice:
    """How those inside speak to the supervisor while the run is started."""

    def __init__(self, ours: socket.socket) -> None:
        self._ours = ours

    def say(self, word: str, text: object = "") -> None:
        """Tell it something."""
        line = str(text).replace("\n", " ")
        self._ours.send(f"{word} {line}".encode(errors="replace"))

    def ask(self, word: str, text: object = "") -> None:
        """Tell it something, and wait until it has done its part."""
        self.say(word, text)
        self.wait()

    def wait(self) -> None:
        """Wait for a word of it; `GuardError` when it is gone."""
        if not self._ours.recv(1):
            raise GuardError("the supervisor is gone")

    def keep_only(self) -> None:
        """Close every other descriptor but the standard ones."""
        number = self._ours.fileno()
        os.closerange(3, number)
        os.closerange(number + 1, os.sysconf("SC_OPEN_MAX"))


def begin(command: Command, layer: launch.Layer, voice: Voice) -> NoReturn:
    """Make the namespaces and the first process in them, and be gone: that process is the supervisor's then."""
    try:
        spaces.leave()
        pid = os.fork()
        if pid == 0:
            _lead(command, layer, voice)
        voice.say(FIRST, pid)
    except BaseException as error:  # noqa: BLE001 (whatever it was, nobody may go on as a second agent)
        voice.say(FAILED, error)
    finally:
        os._exit(0)


def _lead(command: Command, layer: launch.Layer, voice: Voice) -> NoReturn:
    try:
        voice.wait()  # until whoever made us is gone
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        spaces.furnish()
        child = launch.spawn(command, layer, lambda pid: voice.ask(BORN, pid))
        voice.say(STARTED, child.exec_error or "")
        voice.keep_only()
        _reap(child.pid, voice)
    except BaseException as error:  # noqa: BLE001
        voice.say(FAILED, error)
    finally:
        os._exit(0)


def _reap(command: int, voice: Voice) -> None:
    """Until nobody is left."""
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return
        if pid == command:
            voice.say(ENDED, status)
