"""Maps: tables of the kernel programs, and the ring buffer that their records come by."""

import ctypes
import os
from collections.abc import Iterator, Mapping
from ctypes import byref, c_int, c_size_t, c_uint32, c_void_p
from pathlib import Path

from pratique.backends.libbpf import last_errno, library, pin
from pratique.errors import GuardError

ANY, EXIST = 0, 2

_SAMPLE = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t)


class Map:
    """A map by its descriptor; keys and values are bytes of exactly its sizes."""

    def __init__(self, fd: int, key_size: int, value_size: int) -> None:
        self.fd = fd
        self._key_size, self._value_size = key_size, value_size

    def pin(self, path: Path) -> None:
        """Keep it, whoever dies, until the name is removed."""
        pin(self.fd, path)

    def lookup(self, key: bytes) -> bytes | None:
        """The value at `key`, or None."""
        value = ctypes.create_string_buffer(self._value_size)
        found = library().bpf_map_lookup_elem(self.fd, self._key(key), value) == 0
        return value.raw if found else None

    def update(self, key: bytes, value: bytes, flags: int = ANY) -> bool:
        """Store; False when `flags` forbid it, `GuardError` when the map is full."""
        if len(value) != self._value_size:
            raise ValueError(f"value of {len(value)} bytes for a map of {self._value_size}")
        if library().bpf_map_update_elem(self.fd, self._key(key), value, flags) == 0:
            return True
        if flags != ANY:
            return False
        raise GuardError(f"a kernel map refused an entry: {os.strerror(last_errno())}")

    def update_all(self, entries: Mapping[bytes, bytes]) -> None:
        """Store many at one call; `GuardError` when the map is full."""
        if not entries:
            return
        keys, values = b"".join(entries), b"".join(entries.values())
        if len(keys) != len(entries) * self._key_size or len(values) != len(entries) * self._value_size:
            raise ValueError("an entry has not the size of the map")
        count = c_uint32(len(entries))
        if library().bpf_map_update_batch(self.fd, keys, values, byref(count), None):
            raise GuardError(f"a kernel map refused its entries: {os.strerror(last_errno())}")

    def delete(self, key: bytes) -> bool:
        """Remove; False when there was nothing."""
        return bool(library().bpf_map_delete_elem(self.fd, self._key(key)) == 0)

    def __iter__(self) -> Iterator[bytes]:
        """Every key, in no order; concurrent changes may hide or repeat some."""
        key: bytes | None = None
        following = ctypes.create_string_buffer(self._key_size)
        while library().bpf_map_get_next_key(self.fd, key, following) == 0:
            key = following.raw
            yield key

    def _key(self, key: bytes) -> bytes:
        if len(key) != self._key_size:
            raise ValueError(f"key of {len(key)} bytes for a map of {self._key_size}")
        return key


class Ring:
    """The reading end of a ring buffer."""

    def __init__(self, ring: Map) -> None:
        self._records: list[bytes] = []
        # Kept alive with the object: libbpf calls it later.
        self._sample = _SAMPLE(self._keep)
        self._pointer: int | None = library().ring_buffer__new(ring.fd, self._sample, None, None)
        if self._pointer is None:
            raise GuardError(f"cannot map the ring buffer: {os.strerror(last_errno())}")

    @property
    def epoll_fd(self) -> int:
        """Readable when the kernel has woken the reader."""
        return int(library().ring_buffer__epoll_fd(self._pointer))

    def read(self, timeout: float) -> list[bytes]:
        """Copies of all records there are, after at most `timeout` seconds without any."""
        lib = library()
        # What is below the wake-up threshold never wakes anyone: take it first, and again afterwards.
        lib.ring_buffer__consume(self._pointer)
        if not self._records and timeout > 0:
            lib.ring_buffer__poll(self._pointer, int(timeout * 1000))
            lib.ring_buffer__consume(self._pointer)
        taken, self._records = self._records, []
        return taken

    def close(self) -> None:
        """Unmap; safe to call twice."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            library().ring_buffer__free(pointer)

    def _keep(self, _context: int | None, data: int, size: int) -> int:
        self._records.append(ctypes.string_at(data, size))
        return 0
