"""Whether an unpacked package is still what its archive holds, once other package code has run.

Code that ran before may have written into the folder, renamed files into it or exchanged it whole; a manager would
run the result under the good name. All of these change an inode's ctime, which no call can set back: only what
changed since the first package code began is compared, byte by byte, with the original in the manager's cache.
"""

import base64
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from io import BufferedReader

from pratique.managers.files import opened

_MAX_FILES, _MAX_ARCHIVE, _MAX_UNPACKED = 20_000, 64 << 20, 256 << 20
_COARSE = 10_000_000
"""Nanoseconds by which the clock of ctime may be behind the one we read."""

Members = Callable[[], Iterator[tuple[str, bytes]]]
"""The regular files that an archive unpacks to, with their content; OSError or ValueError where there is none."""


def unchanged(folder: str, since: int, original: Members) -> bool:
    """Whether all that changed in `folder` since then (in nanoseconds) is as in the original; 0: all of it."""
    return honest(folder, since, lambda changed: _as_packed(folder, changed, original()))


def honest(folder: str, since: int, same: Callable[[set[str]], bool]) -> bool:
    """Whether nothing changed since then, or `same` says of all files that did that they are the original's."""
    changed = list(_changed(folder, since - _COARSE))
    if not changed:
        return True
    if len(changed) > _MAX_FILES or any(not stat.S_ISREG(mode) for _, mode in changed):
        return False
    try:
        return same({path for path, _ in changed})
    except (OSError, ValueError, EOFError):
        return False


def is_archive(folder: str, original: Members) -> bool:
    """Whether a folder is what the archive holds, but for other packages that were laid into its `node_modules`."""
    files: set[str] = set()
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if top != folder or name != "node_modules"]
        files |= {f"{top}/{name}" for name in (*names, *folders) if not _is_folder(f"{top}/{name}")}
        if len(files) > _MAX_FILES:
            return False
    try:
        members = ((name, data) for name, data in original() if not name.startswith("node_modules/"))
        return _as_packed(folder, files, members)
    except (OSError, ValueError, EOFError):
        return False


def packed(path: str, digest: str) -> Iterator[tuple[str, bytes]]:
    """What is in an archive of npm's kind, if it has that sha512: named without the first component."""
    import tarfile  # noqa: PLC0415 -- only for what looks changed, never before the command starts

    left = _MAX_UNPACKED
    try:
        with opened(path) as archive:
            if os.fstat(archive.fileno()).st_size > _MAX_ARCHIVE or not _is(archive, digest):
                raise ValueError("not the archive it is said to be")
            with tarfile.open(fileobj=archive, mode="r:*") as tar:
                for member in tar:
                    left -= member.size
                    if left < 0:
                        raise ValueError("more than an honest archive holds")
                    file = tar.extractfile(member) if member.isreg() else None
                    name = member.name.removeprefix("./").partition("/")[2]
                    if file and name and not name.endswith(".gitignore"):
                        yield name, file.read()
    except tarfile.TarError as error:
        raise ValueError(str(error)) from error


def _changed(folder: str, since: int) -> Iterator[tuple[str, int]]:
    """Files that changed, or came with a directory that did, with their modes; `folder` if it holds too much."""
    queue, seen = [(folder, os.lstat(folder).st_ctime_ns >= since)], 0
    while queue and seen <= _MAX_FILES:
        top, moved = queue.pop()
        with os.scandir(top) as entries:
            for entry in entries:
                seen += 1
                status = entry.stat(follow_symlinks=False)
                late = moved or status.st_ctime_ns >= since
                if stat.S_ISDIR(status.st_mode):
                    queue.append((entry.path, late))
                elif late:
                    yield entry.path, status.st_mode
    if seen > _MAX_FILES:
        yield folder, stat.S_IFDIR


def _is_folder(path: str) -> bool:
    return stat.S_ISDIR(os.lstat(path).st_mode)


def _as_packed(folder: str, changed: set[str], members: Iterator[tuple[str, bytes]]) -> bool:
    for name, data in members:
        path = f"{folder}/{name}"
        if path in changed:
            with opened(path) as file:
                if file.read(len(data) + 1) != data:
                    return False
            changed.discard(path)
        elif not os.path.lexists(path):
            return False
    return not changed


def _is(archive: BufferedReader, digest: str) -> bool:
    found = base64.b64encode(hashlib.file_digest(archive, "sha512").digest()).decode()
    archive.seek(0)
    return digest == f"sha512-{found}"
