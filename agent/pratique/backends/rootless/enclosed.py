"""The command starts in namespaces of its own, behind Landlock and the same filter as any (tier 1).

A process that has threads cannot leave its user namespace, so it is a fork that leaves. The command enters ruleset
and filter itself, and the supervisor copies the listener out of it before it goes on.
"""

import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from pratique.backends import syscalls
from pratique.backends.base import Command
from pratique.backends.hooks import launch
from pratique.backends.rootless import first
from pratique.backends.rootless.confine import Confined
from pratique.backends.rootless.listener import Listener
from pratique.backends.rootless.tasks import children
from pratique.errors import GuardError

_LIMIT = 20.0
_END_LIMIT = 5.0
_LONGEST = 4096
_MEND = "nothing was started; without PRATIQUE_ROOTLESS_TIER=1 no namespaces are needed"


class Ears:
    """What those inside say, message by message."""

    def __init__(self, ours: socket.socket) -> None:
        self._ours = ours

    def hear(self, seconds: float) -> tuple[str, str] | None:
        """The next word and what belongs to it, within that time; `GuardError` when nobody is left to say one."""
        poll = select.poll()
        poll.register(self._ours, select.POLLIN)
        if not poll.poll(seconds * 1000):
            return None
        said = self._ours.recv(_LONGEST).decode(errors="replace")
        if not said:
            raise GuardError("the first process inside is gone")
        word, _, text = said.partition(" ")
        return word, text

    def expect(self, word: str) -> str:
        """What belongs to that word, which must be the next; `GuardError` for any other, or none in time."""
        heard = self.hear(_LIMIT)
        if heard is None or heard[0] != word:
            why = heard[1] if heard else f"nothing was heard within {_LIMIT:.0f} s"
            raise GuardError(f"the command could not be enclosed in namespaces: {why}", _MEND)
        return heard[1]

    def answer(self) -> None:
        """Let whoever asked go on."""
        self._ours.send(b"g")

    def close(self) -> None:
        """Hear nobody any more."""
        self._ours.close()


class Inner(launch.Child):
    """The started command, a child of the first process inside."""

    def __init__(self, pid: int, ears: Ears) -> None:
        super().__init__(pid)
        self._ears = ears

    def wait(self) -> tuple[int, int | None]:
        """As `launch.Child.wait`; who was ended with the first process cannot say how he ended otherwise."""
        os.close(self.pidfd)
        try:
            heard = self._ears.hear(_END_LIMIT)
        except GuardError:
            heard = None
        if heard is None or heard[0] != first.ENDED:
            return 128 + signal.SIGKILL, signal.SIGKILL
        code = os.waitstatus_to_exitcode(int(heard[1]))
        return (code, None) if code >= 0 else (128 - code, -code)


class Enclosed(Confined):
    """One command in namespaces of its own; `close` ends everybody in them."""

    def __init__(self, ruleset: int | None, program: bytes) -> None:
        super().__init__(ruleset, program)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours, self._theirs = ours, theirs
        self._ears, self._voice = Ears(ours), first.Voice(theirs)
        self.first = 0
        """The first process inside, by its number here."""
        self._inner: Inner | None = None

    def start(self, command: Command, born: Callable[[int], None]) -> Listener:
        """As `Confined.start`. Call it from the main thread: everybody inside dies with the thread that does."""
        self._fork(command)
        self._ears.answer()
        self._ears.expect(first.BORN)
        pid = next(children(self.first), 0)
        if not pid:
            raise GuardError("the command died before it was started")
        self._inner = Inner(pid, self._ears)
        born(pid)
        self._ears.answer()
        listener = syscalls.pidfd_getfd(self._inner.pidfd, int(self._ears.expect(first.LISTENER)))
        self._ears.answer()
        return Listener(listener)

    def enter(self) -> None:
        """Enter ruleset and filter, in the child; the listener is copied from there."""
        super().enter()
        listener = self._confine()
        self._voice.ask(first.LISTENER, listener)
        os.close(listener)

    def is_started(self) -> bool:
        """Whether the command was executed, or failed to be."""
        if self.child is not None or self._error is not None:
            return True
        try:
            self._take(self._ears.hear(0))
        except GuardError as error:
            self._error = error
        return self.child is not None or self._error is not None

    def end(self) -> bool:
        """End everybody inside; `GuardError` when they outlive that."""
        if self.first:
            self._end_first()
        return True

    def _end_first(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.first, signal.SIGKILL)
        deadline = time.monotonic() + _END_LIMIT
        while os.waitpid(self.first, os.WNOHANG)[0] == 0:  # it is reaped when nobody is left
            if time.monotonic() > deadline:
                raise GuardError("processes of the run outlived SIGKILL")
            time.sleep(0.001)
        self.first = 0

    def close(self) -> None:
        """End everybody inside."""
        with suppress(GuardError):
            self.end()
        super().close()
        self._ears.close()

    def _fork(self, command: Command) -> None:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                self._ours.close()
                first.begin(command, self, self._voice)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            self._theirs.close()
        try:
            self.first = int(self._ears.expect(first.FIRST))
        finally:
            os.waitpid(pid, 0)

    def _take(self, heard: tuple[str, str] | None) -> None:
        if heard is None:
            return
        word, text = heard
        if word == first.STARTED and self._inner is not None:
            self._inner.exec_error = text or None
            self.child = self._inner
        else:
            self._error = GuardError(text, _MEND)
