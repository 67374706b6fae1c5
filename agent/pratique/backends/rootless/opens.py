"""Opens: told of where a rule speaks of the place, let go on where Landlock bounds them, else done here."""

import errno
import os
import struct
import threading
from contextlib import suppress

from pratique.backends import syscalls
from pratique.backends.rootless.answers import GO_ON, LATER, Answer, Checked, Descriptor, Fail
from pratique.backends.rootless.guarded import Guarded
from pratique.backends.rootless.judge import Judge
from pratique.backends.rootless.listener import Call, Listener
from pratique.backends.rootless.locate import Entry, Found, absolute, directory_number, entry, held, located
from pratique.backends.rootless.reach import Reach
from pratique.backends.rootless.tasks import Task, umask_of
from pratique.backends.rootless.tracing import Returned, Tracer
from pratique.backends.rootless.zones import Zones
from pratique.words import TRUSTED, Act, Actor, Level

_CWD = syscalls.AT_FDCWD
_HOW = struct.Struct("=QQQ")
_CHANGES = os.O_CREAT | os.O_TRUNC
_ATTEMPTS = 4
_MOST_WAITING = 64
# NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS, BENEATH; not those that take a directory for the root, or the cache only.
_RESOLVED_HERE = 0x0F
_DONE_HERE = ~(os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)


class Opens:
    """Answers `open`, `creat`, `openat` and `openat2`."""

    def __init__(
        self, judge: Judge, zones: Zones, guarded: Guarded, reach: Reach, listener: Listener | Tracer
    ) -> None:
        self._listener, self._waiting = listener, 0
        self._looks_back = isinstance(listener, Tracer)
        self._judge, self._zones, self._guarded, self._reach = judge, zones, guarded, reach
        self._system = zones.system()
        self.written: set[str] = set()
        """Names that package code opened for writing: evidence, not proof."""

    def open(self, task: Task, call: Call) -> Answer:
        """`open(path, flags, mode)`."""
        path, flags, mode = call.arguments[:3]
        return self._answer(task, call, _CWD, path, flags, mode)

    def creat(self, task: Task, call: Call) -> Answer:
        """`creat(path, mode)`."""
        path, mode = call.arguments[:2]
        return self._answer(task, call, _CWD, path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode)

    def openat(self, task: Task, call: Call) -> Answer:
        """`openat(directory, path, flags, mode)`."""
        directory, path, flags, mode = call.arguments[:4]
        return self._answer(task, call, directory_number(directory), path, flags, mode)

    def openat2(self, task: Task, call: Call) -> Answer:
        """`openat2(directory, path, how, size)`; a caller that wants its own way of resolving is let go on."""
        directory, path, how = call.arguments[:3]
        asked = task.read(how, _HOW.size)
        if asked is None or len(asked) < _HOW.size:
            return GO_ON
        flags, mode, resolve = _HOW.unpack(asked)
        if resolve & ~_RESOLVED_HERE:
            return GO_ON if self._zones.bounded else Fail(errno.ENOSYS)
        return self._answer(task, call, directory_number(directory), path, flags, mode, resolve)

    def _answer(
        self, task: Task, call: Call, directory: int, address: int, flags: int, mode: int, resolve: int = 0
    ) -> Answer:
        # An O_PATH descriptor reads nothing; what cannot be read here is bounded by Landlock all the same.
        path = None if flags & os.O_PATH else task.text(address)
        if not path or (path.startswith(self._system) and "/../" not in path):
            return GO_ON if self._zones.bounded or flags & os.O_PATH else Fail(errno.ENOENT)
        whole = absolute(task, call.thread, directory, path)
        if task.label.actor in TRUSTED and self._is_plain(whole, flags):
            return GO_ON
        asked = _Asked(task, call, directory, path, flags, mode, resolve)
        try:
            if whole is not None and whole.startswith("/proc/"):
                answer = self._reach.open_proc(task, call.thread, whole, flags)
                return answer if self._zones.bounded or answer is not GO_ON else self._own(asked, whole)
            return self._look(asked)
        except OSError as error:
            return Fail(error.errno or errno.EACCES)

    def _is_plain(self, whole: str | None, flags: int) -> bool:
        """Whether, by its name alone, the kernel allows it to anybody; a wrong guess is refused by the kernel."""
        if whole is None:
            return True
        write = flags & os.O_ACCMODE != os.O_RDONLY or bool(flags & _CHANGES)
        read = flags & os.O_ACCMODE != os.O_WRONLY
        return self._zones.is_free(os.path.normpath(whole), read=read, write=write)

    def _look(self, asked: "_Asked") -> Answer:
        for _ in range(_ATTEMPTS):
            try:
                with located(
                    asked.task,
                    asked.call.thread,
                    asked.directory,
                    asked.path,
                    follow=asked.follows,
                    resolve=asked.resolve,
                ) as found:
                    return self._found(asked, found)
            except FileNotFoundError:
                if not asked.flags & os.O_CREAT:
                    raise
            except OSError as error:
                if (
                    error.errno == errno.ELOOP and self._zones.bounded
                ):  # not to be followed, or one of /proc's
                    return GO_ON
                raise
            with (
                suppress(FileExistsError),
                entry(asked.task, asked.call.thread, asked.directory, asked.path, asked.resolve) as place,
            ):
                return self._create(asked, place)
        return Fail(errno.EAGAIN)

    def _found(self, asked: "_Asked", found: Found) -> Answer:
        if asked.flags & os.O_CREAT and asked.flags & os.O_EXCL:
            return Fail(errno.EEXIST)
        if (found.is_dir or found.path.startswith("/proc/")) and self._zones.bounded:
            return GO_ON
        if self._refuses(asked, found.path, found.key, exists=True):
            return Fail(errno.EACCES)
        if self._zones.is_free(found.path, read=asked.reads, write=asked.writes):
            return GO_ON
        return self._open_here(asked, found)

    def came_back(self, task: Task, back: Returned) -> bool:
        """Whether what a caller has opened may stay open; else an event tells of it."""
        try:
            status = os.stat(name := f"/proc/{task.pid}/fd/{back.value}")  # noqa: PTH116
            path, key = os.readlink(name), (status.st_dev, status.st_ino)  # noqa: PTH115
        except OSError:
            return True  # another thread has closed it again
        if key == back.key:
            return True
        secret = self._guarded.groups("read", path, key)
        place = self._guarded.groups("write", path, key)
        told = {"path": path}
        return not (
            self._reach.is_out_of_reach(task, path)
            or (secret and self._judge.refuses(task, Act.FILE_READ, secret, told, Level.KILLED_AFTER))
            or (place and self._judge.refuses(task, Act.FILE_WRITE, place, told, Level.KILLED_AFTER))
        )

    def _open_here(self, asked: "_Asked", found: Found) -> Answer:
        if self._looks_back:
            return Checked(found.key)
        flags = asked.flags & _DONE_HERE | os.O_CLOEXEC | os.O_NOCTTY
        if found.is_fifo:
            return self._wait(asked.call, found, flags, asked.inheritable)
        if not found.is_file and self._zones.bounded:
            return GO_ON
        if found.is_proc_file:
            return Fail(errno.EACCES)
        mode = asked.mode & 0o7777 & ~umask_of(asked.task.pid)
        return Descriptor(os.open(found.again(), flags, mode), asked.inheritable)

    def _own(self, asked: "_Asked", whole: str) -> Answer:
        """Where nothing bounds what goes on: a directory of /proc, or one of the caller's own descriptors again."""
        with held(asked.task, whole, directory=bool(asked.flags & os.O_DIRECTORY)) as found:
            return self._found(asked, found) if not found.is_proc_file else Fail(errno.EACCES)

    def _wait(self, call: Call, found: Found, flags: int, inheritable: bool) -> Answer:
        """Open a FIFO in a thread: that waits for the other end."""
        if self._waiting >= _MOST_WAITING:
            return Fail(errno.EAGAIN)
        held = os.dup(found.fd)
        self._waiting += 1
        thread = threading.Thread(target=self._open_later, args=(call, held, flags, inheritable), daemon=True)
        thread.start()
        return LATER

    def _open_later(self, call: Call, held: int, flags: int, inheritable: bool) -> None:
        try:
            fd = os.open(f"/proc/self/fd/{held}", flags)
            self._listener.hand(call, fd, inheritable=inheritable)
            os.close(fd)
        except OSError as error:
            self._listener.fail(call, error.errno or errno.EACCES)
        finally:
            os.close(held)
            self._waiting -= 1

    def _create(self, asked: "_Asked", place: Entry) -> Answer:
        if asked.path.endswith("/"):
            return Fail(errno.EISDIR)
        if self._refuses(asked, place.path, None, exists=False):
            return Fail(errno.EACCES)
        if self._zones.is_free(place.path, read=asked.reads, write=True):
            return GO_ON
        if self._looks_back:
            return Checked(None)
        flags = asked.flags | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        mode = asked.mode & 0o7777 & ~umask_of(asked.task.pid)
        fd = os.open(place.name, flags, mode, dir_fd=place.parent)
        return Descriptor(fd, asked.inheritable)

    def _refuses(self, asked: "_Asked", path: str, key: tuple[int, int] | None, *, exists: bool) -> bool:
        if asked.writes and self._refuses_write(asked, path, key, exists=exists):
            return True
        # Any open of a secret counts as reading it: what is open may be read or replaced.
        secret = self._guarded.groups("read", path, key) if exists else ()
        return bool(secret) and self._judge.refuses(asked.task, Act.FILE_READ, secret, {"path": path})

    def _refuses_write(
        self, asked: "_Asked", path: str, key: tuple[int, int] | None, *, exists: bool
    ) -> bool:
        if asked.task.label.actor is Actor.PACKAGE:
            self.written.add(path)
        groups = self._guarded.groups("write", path, key)
        act = Act.FILE_WRITE if exists else Act.FILE_CREATE
        return bool(groups) and self._judge.refuses(asked.task, act, groups, {"path": path})


class _Asked:
    """One open, as copied from the caller."""

    __slots__ = ("call", "directory", "flags", "mode", "path", "resolve", "task")

    def __init__(
        self, task: Task, call: Call, directory: int, path: str, flags: int, mode: int, resolve: int
    ) -> None:
        self.task, self.call, self.directory = task, call, directory
        self.path, self.flags, self.mode, self.resolve = path, flags & 0xFFFFFFFF, mode, resolve

    @property
    def reads(self) -> bool:
        return self.flags & os.O_ACCMODE != os.O_WRONLY

    @property
    def writes(self) -> bool:
        return self.flags & os.O_ACCMODE != os.O_RDONLY or bool(self.flags & _CHANGES)

    @property
    def follows(self) -> bool:
        return not self.flags & os.O_NOFOLLOW and not (self.flags & os.O_CREAT and self.flags & os.O_EXCL)

    @property
    def inheritable(self) -> bool:
        return not self.flags & os.O_CLOEXEC
