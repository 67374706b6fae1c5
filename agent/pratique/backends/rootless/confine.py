"""The command starts behind Landlock and a listening filter, and the listener comes to the supervisor.

A thread of the supervisor confines itself, which concerns no other thread, and forks the command. So the listener
is a descriptor of ours from the beginning: it need not be copied out of another process, which some containers
refuse, nor travel through a call that the filter stops. From its exec on, the command has to be served to get
anywhere, and so has that thread.
"""

import os
import queue
import resource
import threading
from collections.abc import Callable

from pratique.backends import syscalls
from pratique.backends.base import Command
from pratique.backends.hooks import launch
from pratique.backends.rootless.listener import Listener
from pratique.backends.rootless.tracing import Tracer
from pratique.errors import GuardError

_LIMIT = 20.0


class Confined:
    """One command behind a ruleset and a listening filter.

    The thread lives until `close`: the command gets SIGKILL when the thread that started it ends.
    """

    def __init__(self, ruleset: int | None, program: bytes) -> None:
        """`program`: the filter that hands over to the listener."""
        self._ruleset, self._program = ruleset, program
        # Two descriptors are held of each process of the run; the command keeps the limit it would have had.
        self._limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._limits[1], self._limits[1]))
        self._listener: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._started = threading.Event()
        self._released = threading.Event()
        self._error: BaseException | None = None
        self.child: launch.Child | None = None
        self.thread = 0
        """The confined thread of ours."""

    def start(self, command: Command, born: Callable[[int], None]) -> Listener | Tracer:
        """Start the command up to its exec; the listener that it must be served by to get further.

        `GuardError` when it could not be confined: nothing was executed.
        """
        threading.Thread(target=self._live, args=(command, born), name="pratique-start", daemon=True).start()
        try:
            listener = self._listener.get(timeout=_LIMIT)
        except queue.Empty:
            raise GuardError(f"the command was not confined within {_LIMIT:.0f} s") from None
        if listener is None:
            self.raise_failure()
            raise GuardError("the command was not confined")
        return Listener(listener)

    def wait(self) -> tuple[int, int | None]:
        """How the command, which has ended, did so."""
        if self.child is None:
            raise GuardError("the command was not started")
        return self.child.wait()

    def enter(self) -> None:
        """Give the child back what is the command's; it was born confined."""
        resource.setrlimit(resource.RLIMIT_NOFILE, self._limits)

    def is_started(self) -> bool:
        """Whether the command was executed, or failed to be."""
        return self._started.is_set()

    def raise_failure(self) -> None:
        """Raise what went wrong in the thread, if anything did."""
        if isinstance(self._error, GuardError):
            raise self._error
        if self._error is not None:
            raise GuardError(f"the command could not be started: {self._error}") from self._error

    def end(self) -> bool:
        """End everybody at once, where there is something whose end is theirs; whether there is."""
        return False

    def close(self) -> None:
        """Let the thread go."""
        self._released.set()
        if self._ruleset is not None:
            os.close(self._ruleset)

    def _live(self, command: Command, born: Callable[[int], None]) -> None:
        try:
            self._listener.put(self._confine())
            self.child = launch.spawn(command, self, born)
        except BaseException as error:  # noqa: BLE001 (raised again in the thread that waits)
            self._error = error
        finally:
            self._listener.put(None)
            self._started.set()
        self._released.wait()

    def _confine(self) -> int:
        """Confine this thread; the listener."""
        self.thread = threading.get_native_id()
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        if self._ruleset is not None:
            syscalls.landlock_restrict(self._ruleset)
        return syscalls.install_listener(self._program)


class Traced(Confined):
    """One command that is traced: its own process enters the filter, once somebody traces it."""

    def __init__(self, program: bytes) -> None:
        super().__init__(None, program)
        self._pids: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._seized = threading.Event()
        self._tracer: Tracer | None = None

    def start(self, command: Command, born: Callable[[int], None]) -> Tracer:
        """Start it up to its exec; the tracer, which belongs to this thread."""

        def known(pid: int) -> None:
            born(pid)
            self._pids.put(pid)
            if not self._seized.wait(_LIMIT):
                raise GuardError("the command is not traced")

        self._tracer = Tracer()
        threading.Thread(target=self._live, args=(command, known), name="pratique-start", daemon=True).start()
        try:
            self._tracer.seize(self._pids.get(timeout=_LIMIT))
        except queue.Empty:
            self.raise_failure()
            raise GuardError("the command was not started") from None
        self._seized.set()
        return self._tracer

    def enter(self) -> None:
        """Enter the filter: from the next call on there must be a tracer."""
        super().enter()
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        syscalls.install_filter(self._program)

    def wait(self) -> tuple[int, int | None]:
        """As `Confined.wait`: the tracer may have heard of it first."""
        ends = self._tracer.ends if self._tracer else {}
        if self.child is None or self.child.pid not in ends:
            return super().wait()
        code = os.waitstatus_to_exitcode(ends[self.child.pid])
        return (code, None) if code >= 0 else (128 - code, -code)

    def _confine(self) -> int:
        return -1
