"""Programs: asked about before the exec, read after it, before the new image has done anything that counts.

The path that an exec names can be changed behind the answer. So the answer only refuses, and demotes: what a
manager starts is package code from then on. What really runs is read at the first call of the new image
that is handed over (the dynamic loader makes one before any code of the program's own), and a program that
may not run ends there.
"""

import errno
import os
import re
import stat
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress

from pratique import proc
from pratique.backends import syscalls
from pratique.backends.rootless.answers import GO_ON, Answer, Fail
from pratique.backends.rootless.judge import Judge
from pratique.backends.rootless.listener import Call
from pratique.backends.rootless.locate import directory_number, located
from pratique.backends.rootless.tasks import Label, Started, Task, Tasks, image_of
from pratique.managers.base import Pattern
from pratique.managers.matching import match
from pratique.model import Event, Exec
from pratique.policy.places import Place
from pratique.words import MANAGERS, Act, Actor, Level, Stage

_EMPTY_PATH = 0x1000
_MOST_WORDS, _POINTER = 64, 8
_MOST_CMDLINE = 1 << 16
_SHARED_MEMORY = "/dev/shm/"  # noqa: S108
_OWN = re.compile(r"/proc/(?:self|thread-self)/(exe|fd/[0-9]+)|/dev/fd/([0-9]+)")
_PENDING = (*MANAGERS, Actor.HELPER)


class Programs:
    """Answers `execve` and `execveat`, and says what a process has become."""

    def __init__(
        self,
        judge: Judge,
        tasks: Tasks,
        patterns: Sequence[Pattern],
        programs: Iterable[Place],
        temporary: Sequence[str],
        written: set[str],
    ) -> None:
        self._judge, self._tasks, self._patterns = judge, tasks, patterns
        self._written = written
        self._temporary = tuple(f"{folder}/" for folder in temporary)
        self._listed: dict[tuple[int, int], tuple[str, ...]] = {}
        for place in programs:
            with suppress(OSError):
                status = os.stat(place.path)  # noqa: PTH116  (a start-up path)
                key = (status.st_dev, status.st_ino)
                self._listed[key] = (*self._listed.get(key, ()), place.group)

    def execve(self, task: Task, call: Call) -> Answer:
        """`execve(path, argv, environment)`."""
        path, argv = call.arguments[:2]
        return self._asked(task, call, syscalls.AT_FDCWD, path, argv, 0)

    def execveat(self, task: Task, call: Call) -> Answer:
        """`execveat(directory, path, argv, environment, flags)`."""
        directory, path, argv, _, flags = call.arguments[:5]
        return self._asked(task, call, directory_number(directory), path, argv, flags)

    def became(self, task: Task, call: Call) -> Event | bool:
        """What a process is, at the first call after its exec.

        An event that waits to be settled; True when it may not run and was refused; False when the call is to be
        answered as usual.
        """
        started = task.started
        if started is None:
            return False
        image = image_of(task)
        if image is not None and image == started.image:
            if call.thread == started.thread:  # the exec failed, and its author goes on
                task.started = None
                task.label = started.before
            return False
        self._tasks.executed(task, image)
        return self._verified(task, started)

    def unseen(self, task: Task) -> None:
        """A program ended without a call that counts: what was claimed of it is all there is."""
        started = task.started
        if started is None:
            return
        seen = Exec(started.path, started.path, started.argv, "")
        self._judge.events.append(self._judge.tell_exec(task, seen, started.path, ()))

    def _asked(self, task: Task, call: Call, directory: int, address: int, argv: int, flags: int) -> Answer:
        path = task.text(address)
        if path is None:
            return Fail(errno.EFAULT)
        try:
            refused = self._refuses(task, call, directory, path, flags)
        except OSError as error:
            return Fail(error.errno or errno.EACCES)
        if refused:
            return Fail(errno.EPERM)
        words = _words(task, argv)
        image = task.image or image_of(task)
        task.image = image
        task.started = Started(call.thread, task.label, image, path, words)
        if task.label.actor in _PENDING:
            stage = task.label.stage
            task.label = Label(Actor.PACKAGE, Stage.BUILD if stage is Stage.RESOLVE else stage, 0)
        task.forget_memory()
        return GO_ON

    def _refuses(self, task: Task, call: Call, directory: int, path: str, flags: int) -> bool:
        name = _own(task, path) if path else f"/proc/{task.pid}/fd/{directory}"
        if name is not None and (path or flags & _EMPTY_PATH):
            return self._refuses_program(task, os.readlink(name), os.stat(name), Level.ENFORCED)  # noqa: PTH115, PTH116
        with located(task, call.thread, directory, path) as found:
            status = os.fstat(found.fd)
            if not stat.S_ISREG(found.mode) or not status.st_mode & 0o111:
                raise OSError(errno.EACCES, "not executable")
            return self._refuses_program(task, found.path, status, Level.ENFORCED)

    def _refuses_program(self, task: Task, path: str, status: os.stat_result, level: Level) -> bool:
        groups = self._groups(path, status)
        listed = tuple(group for group in groups if group == "exe.privilege")
        target = {"exe": path}
        if listed and self._judge.refuses(task, Act.PRIV_GAIN, listed, target, level):
            return True
        return self._judge.refuses(task, Act.EXEC, groups, target, level)

    def _groups(self, path: str, status: os.stat_result) -> tuple[str, ...]:
        groups = list(self._listed.get((status.st_dev, status.st_ino), ()))
        if status.st_nlink == 0:
            groups.append("code.memfd" if path.startswith("/memfd:") else "code.deleted")
        if path.startswith(_SHARED_MEMORY):
            groups.append("code.shm")
        if path.rpartition("/")[2].startswith(".") and path.startswith(self._temporary):
            groups.append("code.hidden-temp")
        if path in self._written:
            groups.append("code.fresh")
        return tuple(dict.fromkeys(groups))

    def _verified(self, task: Task, started: Started) -> Event | bool:
        name = f"/proc/{task.pid}/exe"
        try:
            path, status = os.readlink(name), os.stat(name)  # noqa: PTH115, PTH116
        except OSError:
            return self._unreadable(task, started)
        seen = _seen(task, started, path)
        silent = self._judge.would_refuse(
            task.label, Act.EXEC, groups := self._groups(path, status), {"exe": path}
        )
        if silent and self._refuses_program(task, path, status, Level.KILLED_BEFORE):
            return True
        return self._told(task, started, seen, path, groups)

    def _told(
        self, task: Task, started: Started, seen: Exec, path: str, groups: tuple[str, ...]
    ) -> Event | bool:
        if started.before.actor in _PENDING:
            task.pending = True
            pending = Exec(seen.exe, seen.interp, seen.argv, seen.cwd, pending=True)
            return self._judge.tell_exec(task, pending, path, groups)
        if task.label.actor in (Actor.COMMAND, Actor.PROJECT) and match(seen.argv, self._patterns):
            # What it loads into itself is not known yet.
            self._tasks.relabel(task, Label(Actor.MIXED, Stage.RESOLVE, task.label.origin))
        self._judge.events.append(self._judge.tell_exec(task, seen, path, groups))
        return False

    def _unreadable(self, task: Task, started: Started) -> Event | bool:
        """A program that may be executed but not read hides what it is: nobody vouches for it."""
        if started.before.actor in _PENDING:
            self._tasks.relabel(task, task.label)
        seen = Exec(started.path, started.path, started.argv, "")
        self._judge.events.append(self._judge.tell_exec(task, seen, "", ()))
        return False


def _own(task: Task, path: str) -> str | None:
    """Where a path that names a descriptor or the image of its author itself leads; None for other paths."""
    match = _OWN.fullmatch(path)
    return f"/proc/{task.pid}/{match[1] or f'fd/{match[2]}'}" if match else None


def _seen(task: Task, started: Started, path: str) -> Exec:
    argv: tuple[str, ...] = ()
    cwd = ""
    with suppress(OSError):
        argv = proc.read_words(task.pid, "cmdline", _MOST_CMDLINE)
        cwd = proc.read_link(task.pid, "cwd")
    return Exec(exe=started.path, interp=path, argv=argv, cwd=cwd)


def _words(task: Task, address: int) -> tuple[str, ...]:
    """The words an exec claims; only told of when nothing better is ever seen."""
    table = task.read(address, _MOST_WORDS * _POINTER) or b""
    words: deque[str] = deque(maxlen=_MOST_WORDS)
    for at in range(0, len(table) - _POINTER + 1, _POINTER):
        pointer = int.from_bytes(table[at : at + _POINTER], "little")
        word = task.text(pointer) if pointer else None
        if word is None:
            break
        words.append(word)
    return tuple(words)


def temporary() -> list[str]:
    """Directories in which a hidden program is a sign."""
    named = os.path.realpath(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108
    return [folder for folder in dict.fromkeys(("/tmp", "/var/tmp", named)) if os.path.isdir(folder)]  # noqa: S108, PTH112
