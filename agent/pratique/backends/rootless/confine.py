"""The command starts behind Landlock and a listening filter, and the listener comes to the supervisor.

The command's process confines itself and names the descriptor of its listener; the supervisor takes a copy of
that. No descriptor has to travel through a call that the filter stops. All this goes on in a thread: from its
exec on, the command has to be served to get anywhere, and whoever starts it waits for that exec.
"""

import os
import resource
import select
import threading
import time
from collections.abc import Callable

from pratique.backends import seccomp, syscalls
from pratique.backends.base import Command
from pratique.backends.hooks import launch
from pratique.errors import GuardError

_LIMIT = 20.0
_STEP = 0.05


class Confined:
    """One command behind a ruleset and a listening filter.

    The thread lives until `close`: the command gets SIGKILL when the thread that started it ends.
    """

    def __init__(self, ruleset: int | None, *, signals: bool) -> None:
        """`signals`: the supervisor is asked about those, too."""
        self._ruleset = ruleset
        # Two descriptors are held of each process of the run; the command keeps the limit it would have had.
        self._limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._limits[1], self._limits[1]))
        self._program = seccomp.listening(signals=signals)
        self._number, self._tell_number = os.pipe()
        self._taken, self._tell_taken = os.pipe()
        self._started = threading.Event()
        self._released = threading.Event()
        self._error: BaseException | None = None
        self.child: launch.Child | None = None

    def start(self, command: Command, born: Callable[[int], None]) -> int:
        """Start the command up to its exec; the listener that it must be served by to get further.

        `GuardError` when it could not be confined: nothing was executed.
        """
        pid: list[int] = []

        def known(number: int) -> None:
            born(number)
            pid.append(number)

        threading.Thread(target=self._live, args=(command, known), name="pratique-start", daemon=True).start()
        return self._take(pid, self._listener_number())

    def enter(self) -> None:
        """Confine this process, in the child; `OSError` if that fails."""
        resource.setrlimit(resource.RLIMIT_NOFILE, self._limits)
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        if self._ruleset is not None:
            syscalls.landlock_restrict(self._ruleset)
        listener = syscalls.install_listener(self._program)
        os.write(self._tell_number, str(listener).encode())
        os.read(self._taken, 1)
        os.close(listener)

    def is_started(self) -> bool:
        """Whether the command was executed, or failed to be."""
        return self._started.is_set()

    def raise_failure(self) -> None:
        """Raise what went wrong in the thread, if anything did."""
        if isinstance(self._error, GuardError):
            raise self._error
        if self._error is not None:
            raise GuardError(f"the command could not be started: {self._error}") from self._error

    def close(self) -> None:
        """Let the thread go."""
        self._released.set()
        for fd in (self._number, self._tell_number, self._taken, self._tell_taken):
            os.close(fd)
        if self._ruleset is not None:
            os.close(self._ruleset)

    def _live(self, command: Command, born: Callable[[int], None]) -> None:
        try:
            self.child = launch.spawn(command, self, born)
        except BaseException as error:  # noqa: BLE001 (raised again in the thread that waits)
            self._error = error
        finally:
            self._started.set()
        self._released.wait()

    def _listener_number(self) -> int:
        deadline = time.monotonic() + _LIMIT
        while not select.select([self._number], [], [], _STEP)[0]:
            if self.is_started():
                self.raise_failure()
            if time.monotonic() > deadline:
                raise GuardError(f"the command was not confined within {_LIMIT:.0f} s")
        return int(os.read(self._number, 16))

    def _take(self, pid: list[int], number: int) -> int:
        held = os.pidfd_open(pid[0])
        try:
            return syscalls.pidfd_getfd(held, number)
        except OSError as error:
            raise GuardError(f"the listener of the command could not be taken: {error.strerror}") from error
        finally:
            os.close(held)
            os.write(self._tell_taken, b"t")
