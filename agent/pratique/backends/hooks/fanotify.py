"""fanotify(7) as four system calls and two records; no policy, no state.

The standard library has no binding, and the published ones hide the flags and the answer that matter here.
"""

import ctypes
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

MOVED_TO = 0x80
CREATE = 0x100
OVERFLOW = 0x4000
OPEN_PERM = 0x10000
OPEN_EXEC_PERM = 0x40000
ON_CHILD = 0x08000000
ON_DIR = 0x40000000

_CLOEXEC = 0x1
_NONBLOCK = 0x2
_CLASS_CONTENT = 0x4
_UNLIMITED_QUEUE = 0x10
_UNLIMITED_MARKS = 0x20
_REPORT_DFID_NAME = 0x400 | 0x800

_MARK_ADD = 0x1
_MARK_REMOVE = 0x2
_MARK_IGNORED = 0x20
_MARK_IGNORED_SURVIVES = 0x40
_MARK_FLUSH = 0x80
_MARK_EVICTABLE = 0x200

_ALLOW, _DENY = 1, 2
_INFO_DIRECTORY_NAME = 2

_EVENT = struct.Struct("=IBBHQii")
_INFO = struct.Struct("=BBH")
_HANDLE = struct.Struct("=Ii")
_ANSWER = struct.Struct("=iI")
_FSID = 8
_VERSION = 3

EVENTS_PER_READ = 64
"""Each event of a permission group opens a descriptor here; few at a time keep their numbers below 1024,
the range the guardian answers for when the agent dies."""
_NOTICE_BYTES = 64 * 1024

_AT_FDCWD = -100
_AT_HANDLE_FID = 0x200
_AT_EMPTY_PATH = 0x1000
_HANDLE_BYTES = 128

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fanotify_init.argtypes = (ctypes.c_uint, ctypes.c_uint)
_libc.fanotify_mark.argtypes = (ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p)
_libc.name_to_handle_at.argtypes = (
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.POINTER(ctypes.c_int),
    ctypes.c_int,
)


class Entry(NamedTuple):
    """A name in a directory; `directory` is opaque and equals `handle()` of that directory."""

    directory: bytes
    name: str


class Event(NamedTuple):
    """One record read from a group. `fd` is -1 in notices and on overflow; `pid` is the thread group's."""

    mask: int
    fd: int
    pid: int
    entries: tuple[Entry, ...] = ()


def open_gate() -> int:
    """A group whose events wait for `answer()`.

    Unlimited, because a full queue lets its waiters through. Event descriptors are opened O_NONBLOCK, so
    that a FIFO in a marked directory cannot stop the reader.
    """
    flags = _CLOEXEC | _NONBLOCK | _CLASS_CONTENT | _UNLIMITED_QUEUE | _UNLIMITED_MARKS
    return _init(flags, os.O_RDONLY | os.O_LARGEFILE | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOATIME)


def open_notices() -> int:
    """A group that only tells of names made in directories, with the name and the author's pid."""
    return _init(_CLOEXEC | _NONBLOCK | _UNLIMITED_QUEUE | _UNLIMITED_MARKS | _REPORT_DFID_NAME, os.O_RDONLY)


def mark(group: int, mask: int, path: str) -> None:
    """Ask for `mask` on the inode at `path` (symlinks are followed); nothing is opened."""
    _mark(group, _MARK_ADD, mask, path)


def unmark(group: int, mask: int, path: str) -> None:
    """Take `mask` back from the inode at `path`."""
    _mark(group, _MARK_REMOVE, mask, path)


def ignore(group: int, mask: int, path: str) -> None:
    """Raise no `mask` events for this inode although its directory is marked; costs no pinned inode."""
    _mark(group, _MARK_ADD | _MARK_IGNORED | _MARK_IGNORED_SURVIVES | _MARK_EVICTABLE, mask, path)


def heed(group: int, mask: int, path: str) -> None:
    """Undo `ignore()`; it is no error when there was none."""
    try:
        _mark(group, _MARK_REMOVE | _MARK_IGNORED, mask, path)
    except FileNotFoundError:
        return


def flush(group: int) -> None:
    """Remove every mark of the group."""
    _check(_libc.fanotify_mark(group, _MARK_FLUSH, 0, _AT_FDCWD, None), "")


def answer(group: int, fd: int, allow: bool) -> bool:
    """Let the opener waiting behind event descriptor `fd` go on or fail with EPERM; False if none waits."""
    try:
        os.write(group, _ANSWER.pack(fd, _ALLOW if allow else _DENY))
    except OSError:
        return False  # ENOENT: answered before, or the opener was killed while it waited
    return True


def read_gate(group: int) -> Iterator[Event]:
    """The permission events that wait, a few at a time; BlockingIOError when none does."""
    return parse(os.read(group, EVENTS_PER_READ * _EVENT.size))


def read_notices(group: int) -> Iterator[Event]:
    """The notices that wait; BlockingIOError when none does."""
    return parse(os.read(group, _NOTICE_BYTES))


def parse(data: bytes) -> Iterator[Event]:
    """The events in what a read of a group returned; ValueError at the first malformed byte."""
    start = 0
    while start < len(data):
        if len(data) - start < _EVENT.size:
            raise ValueError("an event is cut short")
        length, version, _, header, mask, fd, pid = _EVENT.unpack_from(data, start)
        if version != _VERSION:
            raise ValueError(f"fanotify record version {version}")
        if not _EVENT.size <= header <= length <= len(data) - start:
            raise ValueError("an event's length is wrong")
        yield Event(mask, fd, pid, tuple(_entries(data[start + header : start + length])))
        start += length


def handle(path: str) -> bytes:
    """What notices call the directory at `path`: file system id and file handle; nothing is opened."""
    fsid = os.statvfs(path).f_fsid.to_bytes(_FSID, "little")
    return fsid + _handle(_AT_FDCWD, os.fsencode(path), 0)


def incarnation(fd: int) -> bytes:
    """Tells an object from a later one that has its inode number; empty where the file system cannot."""
    try:
        return _handle(fd, b"", _AT_EMPTY_PATH)
    except OSError:
        return b""


def _handle(folder: int, path: bytes, flags: int) -> bytes:
    buffer = ctypes.create_string_buffer(_HANDLE.pack(_HANDLE_BYTES, 0), _HANDLE.size + _HANDLE_BYTES)
    mount = ctypes.c_int()
    status = _libc.name_to_handle_at(folder, path, buffer, ctypes.byref(mount), flags)
    if status < 0:  # overlayfs and others have handles that identify but cannot be opened (6.5 and later)
        status = _libc.name_to_handle_at(folder, path, buffer, ctypes.byref(mount), flags | _AT_HANDLE_FID)
    _check(status, os.fsdecode(path))
    size, _ = _HANDLE.unpack_from(buffer)
    return buffer.raw[: _HANDLE.size + size]


def _entries(data: bytes) -> Iterator[Entry]:
    start = 0
    while start < len(data):
        if len(data) - start < _INFO.size:
            raise ValueError("an information record is cut short")
        kind, _, length = _INFO.unpack_from(data, start)
        if not _INFO.size <= length <= len(data) - start:
            raise ValueError("an information record's length is wrong")
        if kind == _INFO_DIRECTORY_NAME:
            yield _entry(data[start + _INFO.size : start + length])
        start += length


def _entry(data: bytes) -> Entry:
    if len(data) < _FSID + _HANDLE.size:
        raise ValueError("a file handle is cut short")
    size, _ = _HANDLE.unpack_from(data, _FSID)
    end = _FSID + _HANDLE.size + size
    if end >= len(data):
        raise ValueError("a name is missing")
    return Entry(data[:end], os.fsdecode(data[end:].split(b"\0", 1)[0]))


def _init(flags: int, event_flags: int) -> int:
    return _check(_libc.fanotify_init(flags, event_flags), "")


def _mark(group: int, flags: int, mask: int, path: str) -> None:
    _check(_libc.fanotify_mark(group, flags, mask, _AT_FDCWD, os.fsencode(path)), path)


def _check(status: int, path: str) -> int:
    if status < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path or None)
    return status
