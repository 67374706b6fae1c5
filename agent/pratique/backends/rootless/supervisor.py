"""The loop that answers stopped calls, one after the other, in the thread that also carries the events."""

import errno
import os
import select
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial

from pratique.backends import seccomp, syscalls
from pratique.backends.rootless import refused
from pratique.backends.rootless.answers import Answer, Checked, Descriptor, Fail, GoOn, Value
from pratique.backends.rootless.changes import Changes
from pratique.backends.rootless.connections import Connections
from pratique.backends.rootless.judge import Judge
from pratique.backends.rootless.listener import Call, Listener
from pratique.backends.rootless.opens import Opens
from pratique.backends.rootless.programs import Programs
from pratique.backends.rootless.reach import Reach
from pratique.backends.rootless.tasks import Task, Tasks
from pratique.backends.rootless.tracing import Returned, Tracer
from pratique.model import Event, Kind

Handler = Callable[[Task, Call], Answer]
# So many answers at most before the events of them are carried on.
_BATCH = 256
_MOST_ERRORS = 64


class Supervisor:
    """Answers every call by the handler of its number; what is unknown or fails is refused."""

    def __init__(
        self,
        listener: Listener | Tracer,
        judge: Judge,
        tasks: Tasks,
        programs: Programs,
        handlers: Mapping[str, Handler],
        after_end: Callable[[], None],
        came_back: Callable[[Task, Returned], bool],
    ) -> None:
        self._after_end, self._came_back = after_end, came_back
        self._listener, self._judge, self._tasks, self._programs = listener, judge, tasks, programs
        numbers = syscalls.numbers(os.uname().machine)
        self._handlers = {numbers[name]: handler for name, handler in handlers.items() if name in numbers}
        self._held: dict[int, Call] = {}
        self._ends: dict[int, int] = {}
        self._ended_ones = select.epoll()
        # Not that epoll for all: it would wake us on any processor, a poll of the listener does on the caller's.
        self._poll = select.poll()
        self._poll.register(listener.fd, select.POLLIN)
        self._poll.register(self._ended_ones.fileno(), select.POLLIN)
        self.command = 0
        """The child that somebody else waits for."""
        self.own = 0
        """The thread of ours that starts it, behind the same filter."""
        self.failures = 0
        """Calls that a defect of ours refused; the reasons are in `errors`."""
        self.errors: list[str] = []

    def watch(self, task: Task) -> None:
        """Learn of the end of a process."""
        self._ends[task.pidfd] = task.pid
        with suppress(OSError):
            self._ended_ones.register(task.pidfd, select.EPOLLIN)

    def serve(self, seconds: float) -> Event | None:
        """Answer what comes within this time; earlier with an event that waits to be settled."""
        deadline = time.monotonic() + seconds
        for _ in range(_BATCH):
            ready = dict(self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
            if not ready:
                return None
            # Ends first: a number that is used again must not be taken for the process that had it.
            asked = ready.pop(self._listener.fd, 0)
            for fd, _ in self._ended_ones.poll(0) if ready else ():
                self._ended(fd)
            if asked and (pending := self._heard(asked)) is not None:
                return pending
            if ready:
                return None
        return None

    def settled(self, pid: int) -> None:
        """A held process goes on, as what it is now."""
        call = self._held.pop(pid, None)
        task = self._tasks.get(pid)
        if call is not None and task is not None:
            self._give(call, self._handled(task, call))

    def close(self) -> None:
        """Stop to answer: what still runs gets ENOSYS."""
        self._ended_ones.close()
        self._listener.close()

    def _heard(self, asked: int) -> Event | None:
        if asked & select.POLLIN:
            return self._answer_one()
        # Nobody is left behind the filter: a kernel before 6.11 would wait for the next call for ever.
        self._poll.unregister(self._listener.fd)
        return None

    def _answer_one(self) -> Event | None:
        call = self._listener.receive()
        if isinstance(self._listener, Tracer):
            self._look_back(self._listener)
        if call is None:
            return None
        try:
            return self._judged(call)
        except OSError as error:  # the caller went away, or there is no descriptor left: it must not go on
            self._defect(error)
            self._listener.fail(call, errno.EPERM)
            return None

    def _look_back(self, tracer: Tracer) -> None:
        while tracer.returned:
            back = tracer.returned.popleft()
            task, _ = self._tasks.of_thread(back.call.thread)
            if back.value >= 0 and task is not None and not self._came_back(task, back):
                _end(task)
            tracer.let_go(back)

    def _judged(self, call: Call) -> Event | None:
        if call.thread == self.own:
            self._listener.go_on(call)
            return None
        task, new = self._tasks.of_thread(call.thread)
        self._met(new)
        if task is None:
            self._listener.fail(call, errno.EPERM)
            return None
        return self._answered(task, call)

    def _answered(self, task: Task, call: Call) -> Event | None:
        if task.started is not None:
            became = self._programs.became(task, call)
            if became is True:
                _end(task)
                return None
            if isinstance(became, Event):
                self._held[task.pid] = call
                return became
        self._give(call, self._handled(task, call))
        return None

    def _met(self, new: Iterable[Task]) -> None:
        for task in new:
            self.watch(task)
            self._judge.tell(task, Kind.FORK)

    def _handled(self, task: Task, call: Call) -> Answer:
        try:
            answer = self._handlers[call.number](task, call)
        except Exception as error:  # noqa: BLE001 (whatever it is, the caller must get an answer, and that is no)
            self._defect(error)
            return Fail(errno.EPERM)
        return answer

    def _defect(self, error: Exception) -> None:
        self.failures += 1
        if len(self.errors) < _MOST_ERRORS:
            self.errors.append(f"{type(error).__name__}: {error}")

    def _give(self, call: Call, answer: Answer) -> None:
        if isinstance(answer, GoOn):
            self._listener.go_on(call)
        elif isinstance(answer, Fail):
            self._listener.fail(call, answer.error)
        elif isinstance(answer, Value):
            self._listener.give(call, answer.value)
        elif isinstance(answer, Descriptor):
            self._listener.hand(call, answer.fd, inheritable=answer.inheritable)
            os.close(answer.fd)
        elif isinstance(answer, Checked) and isinstance(self._listener, Tracer):
            self._listener.check(call, answer.key)

    def _ended(self, fd: int) -> None:
        pid = self._ends.pop(fd, None)
        if pid is None:
            return
        with suppress(OSError):
            self._ended_ones.unregister(fd)
        task = self._tasks.get(pid)
        self._held.pop(pid, None)
        if task is not None:
            self._met(self._tasks.adopt())
            self._programs.unseen(task)
            self._judge.tell(task, Kind.EXIT)
            self._tasks.drop(pid)
            self._after_end()
        if pid != self.command:
            with suppress(ChildProcessError):  # an orphan that came to us
                os.waitpid(pid, os.WNOHANG)


def handlers(
    opens: Opens, changes: Changes, connections: Connections, programs: Programs, reach: Reach, judge: Judge
) -> dict[str, Handler]:
    """Who answers which call, by its name."""
    of_changes = (
        *("mkdir", "mkdirat", "unlink", "unlinkat", "rmdir", "symlink", "symlinkat", "rename", "renameat"),
        *("renameat2", "link", "linkat", "truncate", "chmod", "fchmodat", "fchmodat2"),
    )
    of_connections = ("listen", "connect", "sendto", "sendmsg", "sendmmsg")
    of_reach = ("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd")
    rows: dict[str, Handler] = {name: getattr(opens, name) for name in ("open", "creat", "openat", "openat2")}
    rows |= {name: getattr(changes, name) for name in of_changes}
    rows |= {name: getattr(connections, name) for name in of_connections}
    rows["socket"], rows["socketpair"] = connections.new_socket, connections.new_pair
    rows |= {name: getattr(programs, name) for name in ("execve", "execveat")}
    rows |= {name: getattr(reach, name) for name in of_reach}
    rows |= {name: partial(_refused, name, judge) for name in refused.NAMES}  # of clone: into a namespace
    rows |= dict.fromkeys(seccomp.SIGNALS, reach.signal)
    rows["pidfd_send_signal"] = reach.pidfd_send_signal
    return rows


def _refused(name: str, judge: Judge, task: Task, call: Call) -> Answer:
    return refused.refused(name, task, call, judge)


def _end(task: Task) -> None:
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(task.pidfd, signal.SIGKILL)
