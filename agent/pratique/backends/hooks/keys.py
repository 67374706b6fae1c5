"""Kernel-named inode keys: `stat` on overlayfs or btrfs shows device numbers that no kernel key ever has."""

import ctypes
import os
import sys
from collections.abc import Iterable, Sequence

from pratique.backends.hooks.mirrors import CInodeKey, CNamedKey
from pratique.backends.hooks.records import InodeKey
from pratique.backends.libbpf.objects import Link, read_iterator

_BATCH = 128
_FD = CNamedKey.fd.offset


class Keys:
    """Names inodes by an iterator over the agent's own descriptors."""

    def __init__(self, iterator: Link) -> None:
        self._iterator = iterator

    def of(self, paths: Sequence[str]) -> list[InodeKey | None]:
        """The key of each path, links followed; None for what is not there. Nothing is opened but O_PATH."""
        found: list[InodeKey | None] = []
        for start in range(0, len(paths), _BATCH):
            found += self._batch(paths[start : start + _BATCH])
        return found

    def of_fds(self, fds: Iterable[int]) -> list[InodeKey | None]:
        """The key of the object behind each descriptor of this process."""
        wanted = list(fds)
        known = self._own(frozenset(wanted))
        return [known.get(fd) for fd in wanted]

    def _batch(self, paths: Sequence[str]) -> list[InodeKey | None]:
        fds = [_open_path(path) for path in paths]
        try:
            return self.of_fds(fds)
        finally:
            for fd in fds:
                if fd >= 0:
                    os.close(fd)

    def _own(self, wanted: frozenset[int]) -> dict[int, InodeKey]:
        """Those of these descriptors. The iterator tells all that this process has, and most are others."""
        data = read_iterator(self._iterator)
        size = ctypes.sizeof(CNamedKey)
        starts = (at for at in range(0, len(data) - size + 1, size) if _fd(data, at) in wanted)
        named = (CNamedKey.from_buffer_copy(data, at) for at in starts)
        return {entry.fd: _plain(entry.key) for entry in named}


def _fd(data: bytes, at: int) -> int:
    return int.from_bytes(data[at + _FD : at + _FD + 4], sys.byteorder)


def _plain(raw: CInodeKey) -> InodeKey:
    return InodeKey(raw.inode, raw.device, raw.generation)


def _open_path(path: str) -> int:
    try:
        return os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError):
        return -1
