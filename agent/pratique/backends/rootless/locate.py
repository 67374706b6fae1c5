"""The object that a caller's path leads to, found and held by the supervisor: no name is looked up twice.

Every path here is a copy. It is resolved from the caller's own directories, and no magic link of /proc is
followed, since those would lead to what the supervisor has.
"""

import errno
import os
import re
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from pratique.backends import syscalls
from pratique.backends.rootless.tasks import Task

_CWD = syscalls.AT_FDCWD
NO_MAGIC_LINKS, NO_LINKS = 0x02, 0x04
_OWN_DESCRIPTOR = re.compile(r"/proc/(self|[0-9]{1,10})/fd/([0-9]{1,10})")
_HOW = struct.Struct("=QQQ")


class Found(NamedTuple):
    """An object, held by an O_PATH descriptor."""

    fd: int
    path: str
    """Where it lies now."""
    mode: int
    key: tuple[int, int]

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_fifo(self) -> bool:
        """Whether opening it may mean to wait."""
        return stat.S_ISFIFO(self.mode)

    @property
    def is_proc_file(self) -> bool:
        """Whether it is a file of /proc: whose, the supervisor would answer for itself."""
        return self.path.startswith("/proc/") and not self.is_dir

    def again(self) -> str:
        """A name by which this very object can be opened."""
        return f"/proc/self/fd/{self.fd}"


class Entry(NamedTuple):
    """A name in a directory that is held."""

    parent: int
    folder: str
    name: str

    @property
    def path(self) -> str:
        """Where it is, or would be."""
        return f"{self.folder.rstrip('/')}/{self.name}"


def directory_number(word: int) -> int:
    """A directory descriptor as the kernel takes it: an int."""
    number = word & 0xFFFFFFFF
    return number - (1 << 32) if number >= 1 << 31 else number


def absolute(task: Task, thread: int, directory: int, path: str) -> str | None:
    """The path as a name from the root on, its links not resolved; None when nothing says where it starts."""
    if path.startswith("/"):
        return path
    base = f"/proc/{thread}/cwd" if directory == _CWD else f"/proc/{task.pid}/fd/{directory}"
    try:
        start = os.readlink(base)  # noqa: PTH115
    except OSError:
        return None
    return f"{start}/{path}" if path and start.startswith("/") else start or None


@contextmanager
def located(
    task: Task, thread: int, directory: int, path: str, *, follow: bool = True, resolve: int = 0
) -> Iterator[Found]:
    """Hold the object for as long as the block lasts; `OSError` as the caller's own call would meet it."""
    start = _start(task, thread, directory, path)
    try:
        fd = _open_path(start, path, 0 if follow else os.O_NOFOLLOW, resolve)
    finally:
        if start >= 0:
            os.close(start)
    try:
        status = os.fstat(fd)
        yield Found(fd, _name(fd), status.st_mode, (status.st_dev, status.st_ino))
    finally:
        os.close(fd)


@contextmanager
def held(task: Task, path: str, *, directory: bool) -> Iterator[Found]:
    """Hold what a path in /proc leads to: a directory, or what one of the caller's descriptors is open on."""
    match = _OWN_DESCRIPTOR.fullmatch(path)
    if match is not None and match[1] in ("self", str(task.pid)):
        fd = os.open(f"/proc/{task.pid}/fd/{match[2]}", os.O_PATH | os.O_CLOEXEC)
    elif directory:
        named = path.replace("/proc/self", f"/proc/{task.pid}", 1)
        fd = open_how(_CWD, named, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, NO_LINKS)
    else:
        raise OSError(errno.EACCES, "a link of /proc that leads elsewhere")
    try:
        status = os.fstat(fd)
        yield Found(fd, _name(fd), status.st_mode, (status.st_dev, status.st_ino))
    finally:
        os.close(fd)


@contextmanager
def entry(task: Task, thread: int, directory: int, path: str, resolve: int = 0) -> Iterator[Entry]:
    """Hold the directory in which the last name of a path is looked up; the name itself is not followed."""
    parent, _, name = path.rstrip("/").rpartition("/")
    if name in ("", ".", ".."):
        raise OSError(errno.EINVAL, "no name")
    if path.startswith("/") and not parent:
        parent = "/"
    start = _start(task, thread, directory, path)
    try:
        fd = _open_path(start, parent or ".", os.O_DIRECTORY, resolve)
    finally:
        if start >= 0:
            os.close(start)
    try:
        yield Entry(fd, _name(fd), name)
    finally:
        os.close(fd)


def _start(task: Task, thread: int, directory: int, path: str) -> int:
    if path.startswith("/"):
        return -1
    if directory != _CWD:
        kind = os.readlink(f"/proc/{task.pid}/fd/{directory}")  # noqa: PTH115
        if not kind.startswith("/"):
            raise OSError(errno.ENOTDIR, "no directory")
    base = f"/proc/{thread}/cwd" if directory == _CWD else f"/proc/{task.pid}/fd/{directory}"
    fd = os.open(base, os.O_PATH | os.O_CLOEXEC)
    return _on_our_mounts(fd) if task.enclosed else fd


def _on_our_mounts(fd: int) -> int:
    """The same directory as it is mounted here: nothing can be moved or linked from one mount to another."""
    with suppress(OSError):
        here = os.open(_name(fd), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        if os.path.samestat(os.fstat(fd), os.fstat(here)):
            os.close(fd)
            return here
        os.close(here)
    return fd


def open_how(start: int, path: str, flags: int, resolve: int = NO_MAGIC_LINKS) -> int:
    """Open without following a magic link of /proc, or any link at all (ELOOP then)."""
    how = _HOW.pack(flags, 0, resolve)
    return syscalls.call("openat2", start, os.fsencode(path), how, len(how))


def _open_path(start: int, path: str, flags: int, resolve: int) -> int:
    how = NO_MAGIC_LINKS | resolve
    return open_how(start if start >= 0 else _CWD, path, os.O_PATH | os.O_CLOEXEC | flags, how)


def _name(fd: int) -> str:
    return os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115
