"""Reaching out of one's own processes: others' memory by ptrace, by calls, or by files of /proc.

Landlock shuts what is outside the run; it cannot tell the processes of one domain apart, and package code and
the manager are in the same one. All of this is decided by process numbers in registers or in a copied path.
"""

import errno
import os
import re
import signal

from pratique import proc
from pratique.backends.rootless.answers import GO_ON, Answer, Descriptor, Fail, Value
from pratique.backends.rootless.judge import Judge
from pratique.backends.rootless.listener import Call
from pratique.backends.rootless.tasks import Task, Tasks
from pratique.backends.rootless.views import View
from pratique.words import TRUSTED, Act

_PROCESS = re.compile(r"/proc/(self|thread-self|[0-9]{1,10})((?:/task/[0-9]+)?/(.+))", re.DOTALL)
# What anybody may read of anybody: a process list shows it.
_OPEN_TO_ALL = frozenset(
    {"stat", "statm", "status", "cmdline", "comm", "cgroup", "loginuid", "sessionid", "wchan"}
)
# What /proc itself links to the process that looks.
_SHORT = (("/proc/mounts/", "/proc/self/mounts"), ("/proc/net/", "/proc/self/net/"))
_OUTSIDE = ("proc.outside",)
_SHOWN = 256


class Reach:
    """Answers calls that name another process."""

    def __init__(self, judge: Judge, tasks: Tasks, view: View) -> None:
        self._judge, self._tasks, self._view = judge, tasks, view

    def ptrace(self, task: Task, call: Call) -> Answer:
        """`ptrace(request, pid, …)`."""
        return self._on_process(task, call.arguments[1], "ptrace")

    def process_vm_readv(self, task: Task, call: Call) -> Answer:
        """`process_vm_readv(pid, …)`."""
        return self._on_process(task, call.arguments[0], "process_vm_readv")

    def process_vm_writev(self, task: Task, call: Call) -> Answer:
        """`process_vm_writev(pid, …)`."""
        return self._on_process(task, call.arguments[0], "process_vm_writev")

    def pidfd_getfd(self, task: Task, _call: Call) -> Answer:
        """`pidfd_getfd(pidfd, …)`: whose descriptors, only a lookup that could be changed would say."""
        self._judge.refuses(task, Act.PROC_MEMORY, _OUTSIDE, {"request": "pidfd_getfd"})
        return Fail(errno.EPERM)

    def signal(self, task: Task, call: Call) -> Answer:
        """`kill` and its kind: one process, or a group that one of them leads."""
        pid = call.arguments[0] & 0xFFFFFFFF
        number = pid - (1 << 32) if pid >= 1 << 31 else pid
        if number == 0:  # its own group: it put itself there, or was put there with its like
            return GO_ON
        return Fail(errno.EPERM) if number == -1 or self._refuses_signal(task, abs(number)) else GO_ON

    def pidfd_send_signal(self, task: Task, call: Call) -> Answer:
        """`pidfd_send_signal(pidfd, signal, …)`: sent here, to the process that was looked at."""
        number, sent = (argument & 0x7FFFFFFF for argument in call.arguments[:2])
        try:
            pid = _process_of(task.pid, number)
        except OSError:
            return Fail(errno.EBADF)
        if pid <= 0:
            return Fail(errno.ESRCH)
        try:
            fd = proc.held(pid)
        except OSError as error:
            return Fail(error.errno or errno.ESRCH)
        try:
            if self._refuses_signal(task, pid):
                return Fail(errno.EPERM)
            signal.pidfd_send_signal(fd, sent)
        except OSError as error:
            return Fail(error.errno or errno.EPERM)
        finally:
            os.close(fd)
        return Value(0)

    def _refuses_signal(self, task: Task, pid: int) -> bool:
        if self._tasks.label_of(pid) is not None:
            return False
        self._judge.refuses(task, Act.PROC_SIGNAL, _OUTSIDE, {"pid": pid, "request": "signal"})
        return True  # as a Landlock scope would, whoever asks

    def open_proc(self, task: Task, thread: int, path: str, flags: int) -> Answer:
        """Open a path that begins in /proc, as the caller would see it."""
        if ".." in path.split("/"):
            return GO_ON  # it may lead out of /proc, and only the kernel can say for whom
        path = os.path.normpath(path)
        path = next((new + path[len(old) :] for old, new in _SHORT if f"{path}/".startswith(old)), path)
        match = _PROCESS.fullmatch(path)
        if match is None:
            return self._open(path[len("/proc/") :] or ".", flags)
        who, rest, what = match.groups()
        own = task.number
        if who == "thread-self":
            return self._open(f"{own}/task/{self._view.number(thread)}{rest}", flags)
        number = own if who == "self" else int(who)
        if number != own and what not in _OPEN_TO_ALL:
            pid = self._view.process(number)
            if self._refuses(task, pid, f"/proc/{number}{rest}"):
                return Fail(errno.EACCES)
        return self._open(f"{number}{rest}", flags)

    def is_out_of_reach(self, task: Task, path: str) -> bool:
        """Whether a file that was opened in /proc is of a process that the caller may not look into."""
        match = _PROCESS.fullmatch(path)
        if match is None or match[3] in _OPEN_TO_ALL or match[1] == str(task.pid):
            return False
        return self._refuses(task, int(match[1]), path)

    def _on_process(self, task: Task, pid: int, request: str) -> Answer:
        meant = self._view.process(pid & 0x7FFFFFFF)
        return Fail(errno.EPERM) if self._refuses(task, meant, request) else GO_ON

    def _refuses(self, task: Task, pid: int, request: str) -> bool:
        if not self._is_outside(task, pid):
            return False
        told = {"pid": pid, "request": request[:_SHOWN]}
        refused = self._judge.refuses(task, Act.PROC_MEMORY, _OUTSIDE, told)
        # Outside the run Landlock would say no to everybody; what the supervisor opened would go round that.
        return refused or (self._tasks.label_of(pid) is None and self._judge.policy.mode == "enforce")

    def _is_outside(self, task: Task, pid: int) -> bool:
        other = self._tasks.label_of(pid)
        if other is None:
            return True
        own = task.label
        if own.actor in TRUSTED:
            return False
        return other.origin != own.origin or not own.origin or other.actor < own.actor

    def _open(self, path: str, flags: int) -> Answer:
        if flags & (os.O_DIRECTORY | os.O_CREAT):
            return GO_ON
        here = (flags & 0xFFFFFFFF & ~os.O_NOFOLLOW) | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        try:
            return Descriptor(self._view.open(path, here), not flags & os.O_CLOEXEC)
        except OSError as error:
            # A link leads elsewhere: the kernel follows it for the caller, and Landlock bounds it.
            return GO_ON if error.errno == errno.ELOOP else Fail(error.errno or errno.EACCES)


def _process_of(pid: int, pidfd: int) -> int:
    """Whom a descriptor of the caller stands for: -1 when that one has ended."""
    with open(f"/proc/{pid}/fdinfo/{pidfd}", encoding="ascii") as file:  # noqa: PTH123
        facts = dict(line.split(":", 1) for line in file if ":" in line)
    return int(facts.get("Pid", "-1"))
