"""The part of libbpf that the backends use, bound with ctypes: no compiler, no wrapper."""

import ctypes
import os
from collections.abc import Callable, Iterator, Mapping
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from pratique.errors import GuardError

ANY, NOEXIST, EXIST = 0, 1, 2
_LOG_LINES = 12
_LOG_BYTES = 4096
_REASON_BYTES = 128

_SAMPLE = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t)
_PRINT = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)

_SIGNATURES: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "libbpf_set_print": (c_void_p, (c_void_p,)),
    "libbpf_strerror": (c_int, (c_int, c_char_p, c_size_t)),
    "bpf_object__open_mem": (c_void_p, (c_char_p, c_size_t, c_void_p)),
    "bpf_object__load": (c_int, (c_void_p,)),
    "bpf_object__close": (None, (c_void_p,)),
    "bpf_object__find_map_by_name": (c_void_p, (c_void_p, c_char_p)),
    "bpf_object__find_program_by_name": (c_void_p, (c_void_p, c_char_p)),
    "bpf_object__next_map": (c_void_p, (c_void_p, c_void_p)),
    "bpf_object__next_program": (c_void_p, (c_void_p, c_void_p)),
    "bpf_map__name": (c_char_p, (c_void_p,)),
    "bpf_map__reuse_fd": (c_int, (c_void_p, c_int)),
    "bpf_map__fd": (c_int, (c_void_p,)),
    "bpf_map__key_size": (c_uint32, (c_void_p,)),
    "bpf_map__value_size": (c_uint32, (c_void_p,)),
    "bpf_map__set_max_entries": (c_int, (c_void_p, c_uint32)),
    "bpf_map_lookup_elem": (c_int, (c_int, c_void_p, c_void_p)),
    "bpf_map_update_elem": (c_int, (c_int, c_void_p, c_void_p, c_uint64)),
    "bpf_map_update_batch": (c_int, (c_int, c_void_p, c_void_p, c_void_p, c_void_p)),
    "bpf_map_delete_elem": (c_int, (c_int, c_void_p)),
    "bpf_map_get_next_key": (c_int, (c_int, c_void_p, c_void_p)),
    "bpf_program__attach": (c_void_p, (c_void_p,)),
    "bpf_program__attach_cgroup": (c_void_p, (c_void_p, c_int)),
    "bpf_program__attach_iter": (c_void_p, (c_void_p, c_void_p)),
    "bpf_program__fd": (c_int, (c_void_p,)),
    "bpf_program__name": (c_char_p, (c_void_p,)),
    "bpf_iter_create": (c_int, (c_int,)),
    "bpf_link_create": (c_int, (c_int, c_int, c_int, c_void_p)),
    "bpf_link__open": (c_void_p, (c_char_p,)),
    "bpf_obj_pin": (c_int, (c_int, c_char_p)),
    "bpf_obj_get": (c_int, (c_char_p,)),
    "bpf_obj_get_info_by_fd": (c_int, (c_int, c_void_p, c_void_p)),
    "bpf_link__fd": (c_int, (c_void_p,)),
    "bpf_link__destroy": (c_int, (c_void_p,)),
    "bpf_link__pin": (c_int, (c_void_p, c_char_p)),
    "bpf_program__set_autoload": (c_int, (c_void_p, ctypes.c_bool)),
    "btf__load_vmlinux_btf": (c_void_p, ()),
    "btf__find_by_name_kind": (c_int, (c_void_p, c_char_p, c_uint32)),
    "btf__type_by_id": (c_void_p, (c_void_p, c_uint32)),
    "btf__free": (None, (c_void_p,)),
    "ring_buffer__new": (c_void_p, (c_int, c_void_p, c_void_p, c_void_p)),
    "ring_buffer__poll": (c_int, (c_void_p, c_int)),
    "ring_buffer__consume": (c_int, (c_void_p,)),
    "ring_buffer__epoll_fd": (c_int, (c_void_p,)),
    "ring_buffer__free": (None, (c_void_p,)),
}


class _IterTask(ctypes.Structure):
    _fields_ = (("tid", c_uint32), ("pid", c_uint32), ("pid_fd", c_uint32), ("unused", c_uint32))


class _IterOptions(ctypes.Structure):
    _fields_ = (("sz", c_size_t), ("link_info", c_void_p), ("link_info_len", c_uint32))


class _OpenOptions(ctypes.Structure):
    _fields_ = (("sz", c_size_t), ("object_name", c_char_p))


@cache
def library() -> ctypes.CDLL:
    """Load libbpf, silenced; `GuardError` when the host has none."""
    try:
        loaded = ctypes.CDLL("libbpf.so.1", use_errno=True)
    except OSError as error:
        raise GuardError("libbpf.so.1 was not found", "install libbpf (Debian, Ubuntu: libbpf1)") from error
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    loaded.libbpf_set_print(None)
    return loaded


def last_errno() -> int:
    """`errno` of the last call into libbpf by this thread."""
    return ctypes.get_errno()


class Map:
    """A map by its descriptor; keys and values are bytes of exactly its sizes."""

    def __init__(self, fd: int, key_size: int, value_size: int) -> None:
        self.fd = fd
        self._key_size, self._value_size = key_size, value_size

    def pin(self, path: Path) -> None:
        """Keep it, whoever dies, until the name is removed."""
        result = library().bpf_obj_pin(self.fd, os.fsencode(path))
        if result:
            raise OSError(-result, os.strerror(-result), str(path))

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


class Link:
    """One attached program; detached when closed, or when the last copy of its descriptor is gone."""

    def __init__(self, pointer: int) -> None:
        self._pointer: int | None = pointer

    @property
    def fd(self) -> int:
        """Its descriptor, to be kept open by whoever must outlive the agent."""
        return int(library().bpf_link__fd(self._pointer))

    def pin(self, path: Path) -> None:
        """Keep the program attached, whoever dies, until the name is removed."""
        result = library().bpf_link__pin(self._pointer, os.fsencode(path))
        if result:
            raise OSError(-result, os.strerror(-result), str(path))

    def close(self) -> None:
        """Detach, unless it is pinned; safe to call twice."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            library().bpf_link__destroy(pointer)


_BTF_FUNCTION = 12
_BTF_TYPE_INFO, _BTF_TYPE_REFERS = 1, 2
_BTF_MEMBERS = 0xFFFF


class KernelTypes:
    """The types of the running kernel: which functions it has, and with how many arguments."""

    def __init__(self) -> None:
        self._pointer: int | None = library().btf__load_vmlinux_btf()
        if self._pointer is None:
            raise GuardError(
                "this kernel does not describe its types", "use one with CONFIG_DEBUG_INFO_BTF=y"
            )

    def arguments(self, function: str) -> int | None:
        """How many arguments a function takes; None when there is no such function."""
        found = library().btf__find_by_name_kind(self._pointer, function.encode(), _BTF_FUNCTION)
        if found < 0:
            return None
        prototype = self._words(found)[_BTF_TYPE_REFERS]
        return int(self._words(prototype)[_BTF_TYPE_INFO]) & _BTF_MEMBERS

    def close(self) -> None:
        """Free them; safe to call twice."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            library().btf__free(pointer)

    def _words(self, number: int) -> Any:
        """The three words every type starts with."""
        return (c_uint32 * 3).from_address(library().btf__type_by_id(self._pointer, number))


_INFO_BYTES = 232
_MISSED_AT, _VERIFIED_AT = 208, 216


class Object:
    """An object file: open, resize, load, then take its maps and attach its programs."""

    def __init__(self, path: Path, image: bytes | None = None) -> None:
        """With `image`: what the file held when it was read before."""
        self.path = path
        try:
            # Kept: an upgrade may replace the file while this run still needs a program of it.
            self._image = path.read_bytes() if image is None else image
            self._pointer: int | None = self._opened()
        except OSError as error:
            what = f"cannot open {path.name}: {error.strerror}"
            raise GuardError(what, "run make -C probes, or reinstall pratique") from error

    def resize(self, name: str, entries: int) -> None:
        """Set how many entries (ring buffer: bytes) map `name` holds; before `load` only."""
        library().bpf_map__set_max_entries(self._map(name), entries)

    def leave_out(self, name: str) -> None:
        """Do not load a program; before `load` only."""
        library().bpf_program__set_autoload(self._program(name), False)

    def beside(self, name: str) -> "Object":
        """The same file opened once more, for a program that was left out: alone, and on the maps of this one."""
        lib, other = library(), Object(self.path, self._image)
        for program in _each(lib.bpf_object__next_program, other._pointer):
            lib.bpf_program__set_autoload(program, lib.bpf_program__name(program) == name.encode())
        for each in _each(lib.bpf_object__next_map, other._pointer):
            own = self._map(lib.bpf_map__name(each).decode())
            result = lib.bpf_map__reuse_fd(each, lib.bpf_map__fd(own))
            if result:
                other.close()
                raise OSError(-result, os.strerror(-result))
        return other

    def load(self) -> None:
        """Give everything to the kernel; OSError with the kernel's reason if it refuses."""
        result = library().bpf_object__load(self._pointer)
        if result:
            raise OSError(-result, os.strerror(-result))

    def map(self, name: str) -> Map:
        """A loaded map."""
        pointer = self._map(name)
        lib = library()
        return Map(lib.bpf_map__fd(pointer), lib.bpf_map__key_size(pointer), lib.bpf_map__value_size(pointer))

    def attach(self, name: str) -> Link:
        """Attach a program where its section says."""
        return self._link(name, library().bpf_program__attach(self._program(name)))

    def attach_cgroup(self, name: str, cgroup_fd: int) -> Link:
        """Attach a cgroup program beside those already there."""
        return self._link(name, library().bpf_program__attach_cgroup(self._program(name), cgroup_fd))

    def attach_task_iterator(self, name: str, pid: int) -> Link:
        """Attach an iterator program that walks one process only."""
        task = _IterTask(pid=pid)
        options = _IterOptions(ctypes.sizeof(_IterOptions), ctypes.addressof(task), ctypes.sizeof(task))
        return self._link(name, library().bpf_program__attach_iter(self._program(name), byref(options)))

    def program_fd(self, name: str) -> int:
        """The descriptor of a loaded program, the object's own."""
        return int(library().bpf_program__fd(self._program(name)))

    def close(self) -> None:
        """Free the object and its descriptors; safe to call twice."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            library().bpf_object__close(pointer)

    def _opened(self) -> int:
        options = _OpenOptions(ctypes.sizeof(_OpenOptions), self.path.name.partition(".")[0].encode())
        pointer: int | None = library().bpf_object__open_mem(self._image, len(self._image), byref(options))
        if pointer is None:
            reason = ctypes.create_string_buffer(_REASON_BYTES)
            library().libbpf_strerror(last_errno(), reason, len(reason))
            raise OSError(last_errno(), reason.value.decode())
        return pointer

    def _link(self, name: str, pointer: int | None) -> Link:
        if pointer is None:
            raise OSError(last_errno(), f"{name}: {os.strerror(last_errno())}")
        return Link(pointer)

    def _map(self, name: str) -> int:
        return self._named("map", name, library().bpf_object__find_map_by_name)

    def _program(self, name: str) -> int:
        return self._named("program", name, library().bpf_object__find_program_by_name)

    def _named(self, what: str, name: str, find: Callable[[int | None, bytes], int | None]) -> int:
        pointer = find(self._pointer, name.encode())
        if pointer is None:
            raise GuardError(
                f"{self.path.name} has no {what} {name}", "run make -C probes, or reinstall pratique"
            )
        return pointer


def _each(following: Callable[[int | None, int | None], int | None], whole: int | None) -> Iterator[int]:
    """What libbpf lists one after the other, of an open object."""
    found = following(whole, None)
    while found is not None:
        yield found
        found = following(whole, found)


def verified(program: int) -> int:
    """How many instructions the kernel followed to accept a program."""
    return c_uint32.from_buffer(_info(program), _VERIFIED_AT).value


def missed(program: int) -> int:
    """How often a program was passed over because it was running already on that processor."""
    return c_uint64.from_buffer(_info(program), _MISSED_AT).value


def _info(program: int) -> "ctypes.Array[ctypes.c_char]":
    info, size = ctypes.create_string_buffer(_INFO_BYTES), c_uint32(_INFO_BYTES)
    if library().bpf_obj_get_info_by_fd(program, info, byref(size)):
        raise OSError(last_errno(), f"a program is not told of: {os.strerror(last_errno())}")
    return info


def pinned(path: Path) -> int:
    """A descriptor of what is pinned there."""
    fd = int(library().bpf_obj_get(os.fsencode(path)))
    if fd < 0:
        raise OSError(-fd, os.strerror(-fd), str(path))
    return fd


def read_iterator(link: Link) -> bytes:
    """One whole run of an attached iterator."""
    fd = library().bpf_iter_create(link.fd)
    if fd < 0:
        raise OSError(-fd, os.strerror(-fd))
    try:
        return b"".join(iter(lambda: os.read(fd, 1 << 16), b""))
    finally:
        os.close(fd)


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


def explain(attempt: Callable[[], object]) -> str:
    """Repeat a failing attempt with libbpf speaking; its last lines, for an error message."""
    lines: list[str] = []
    printer = _PRINT(_collect(lines))
    lib = library()
    lib.libbpf_set_print(printer)
    try:
        attempt()
    except (OSError, GuardError):
        pass
    finally:
        lib.libbpf_set_print(None)
    return "\n".join(lines[-_LOG_LINES:])


def _collect(lines: list[str]) -> Callable[[int, bytes, int], int]:
    libc = ctypes.CDLL(None)
    libc.vsnprintf.argtypes = (c_void_p, c_size_t, c_char_p, c_void_p)

    def keep(level: int, template: bytes, arguments: int) -> int:
        if level == 0:
            text = ctypes.create_string_buffer(_LOG_BYTES)
            libc.vsnprintf(text, _LOG_BYTES, template, arguments)
            lines.extend(text.value.decode(errors="replace").splitlines()[-_LOG_LINES:])
        return 0

    return keep
