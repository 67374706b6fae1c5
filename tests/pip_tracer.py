"""A stand-in for the kernel in tests: stops every exec of a command's tree before its first instruction.

Uses ptrace, so it needs neither root nor eBPF, and it shows a manager's module exactly the state the agent
shows it: argv, cwd, environment and image of a process that cannot change while it is being judged.
"""

import ctypes
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pratique.managers import match, patterns, registry
from pratique.managers.base import Context, Stopped
from pratique.model import Settlement
from pratique.words import Actor

_TRACEME, _CONT, _SETOPTIONS, _GETEVENTMSG = 0, 7, 0x4200, 0x4201
_FORKS, _EXEC_EVENT = {1, 2, 3}, 4
_OPTIONS = 0x2 | 0x4 | 0x8 | 0x10 | 0x100000  # fork, vfork, clone, exec; the tree dies with the tracer
_WALL = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


@dataclass
class Task:
    """What the agent knows of a process: its label and the image it was judged by."""

    actor: Actor
    image: Stopped | None = None
    manager: Stopped | None = None
    family: str = ""


@dataclass
class Tree:
    """Everything seen of one traced command."""

    status: int = -1
    seen: list[tuple[Stopped, Settlement]] = field(default_factory=list)
    managers: list[Stopped] = field(default_factory=list)

    def of(self, actor: Actor) -> list[tuple[Stopped, Settlement]]:
        """The judged processes of one actor, in order."""
        return [(child, settled) for child, settled in self.seen if settled.actor is actor]


def read(pid: int) -> Stopped:
    """The frozen state of a stopped process."""
    proc = Path(f"/proc/{pid}")
    environment = (word.partition("=") for word in _words(proc / "environ"))
    return Stopped(
        pid=pid,
        argv=tuple(_words(proc / "cmdline")),
        cwd=str((proc / "cwd").readlink()),
        exe=str((proc / "exe").readlink()),
        environment={name: value for name, _, value in environment},
    )


def trace(
    argv: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    written_by_package: Callable[[str], bool] = lambda path: False,
    at_exec: Callable[[Stopped], None] = lambda child: None,
) -> Tree:
    """Run `argv` to its end, judging each exec below a recognised manager the way the agent does."""
    tree, memory = Tree(), {}
    root = _start(argv, cwd, environment)
    tasks = {root: Task(Actor.COMMAND)}

    def judge(pid: int) -> None:
        task, child = tasks.setdefault(pid, Task(Actor.COMMAND)), read(pid)
        at_exec(child)
        if task.actor in (Actor.MANAGER, Actor.HELPER) and task.manager and task.image:
            context = Context(task.manager, task.image, written_by_package, memory)
            settled = registry()[task.family].classify(child, context)
            tree.seen.append((child, settled))
            tasks[pid] = Task(settled.actor, child, *_sponsor(settled, child, task))
        elif task.actor in (Actor.COMMAND, Actor.PROJECT) and (found := match(child.argv, patterns())):
            tree.managers.append(child)
            tasks[pid] = Task(Actor.MANAGER, child, child, found.manager)

    early: dict[int, int] = {}  # a child may stop before its parent's fork is reported: it waits
    while tasks:
        pid, status = os.waitpid(-1, _WALL)
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            tasks.pop(pid, None)
            if pid == root:
                tree.status = os.waitstatus_to_exitcode(status)
        elif pid in tasks:
            _resume(pid, status, tasks, judge)
        else:
            early[pid] = status
        for known in early.keys() & tasks.keys():
            _resume(known, early.pop(known), tasks, judge)
    return tree


def _sponsor(settled: Settlement, child: Stopped, task: Task) -> tuple[Stopped | None, str]:
    """A manager of another family answers for what it starts itself."""
    found = match(child.argv, patterns()) if settled.actor is Actor.MANAGER else None
    return (child, found.manager) if found and found.manager != task.family else (task.manager, task.family)


def _resume(pid: int, status: int, tasks: dict[int, Task], judge: Callable[[int], None]) -> None:
    event, stop = status >> 16, os.WSTOPSIG(status)
    if event in _FORKS:
        task = tasks[pid]
        tasks[_forked(pid)] = Task(task.actor, task.image, task.manager, task.family)
    elif event == _EXEC_EVENT:
        judge(pid)
    deliver = 0 if event or stop in (signal.SIGTRAP, signal.SIGSTOP) else stop
    _libc.ptrace(_CONT, pid, None, deliver)


def _forked(pid: int) -> int:
    message = ctypes.c_ulong()
    _libc.ptrace(_GETEVENTMSG, pid, None, ctypes.addressof(message))
    return message.value


def _start(argv: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            os.chdir(cwd)
            _libc.ptrace(_TRACEME, 0, None, None)
            os.kill(os.getpid(), signal.SIGSTOP)
            os.execve(argv[0], list(argv), dict(environment))  # noqa: S606 - the tracee must be this very process
        finally:
            os._exit(127)
    os.waitpid(pid, _WALL)
    _libc.ptrace(_SETOPTIONS, pid, None, _OPTIONS)
    _libc.ptrace(_CONT, pid, None, None)
    return pid


def _words(path: Path) -> list[str]:
    return [os.fsdecode(word) for word in path.read_bytes().split(b"\0")[:-1]]
