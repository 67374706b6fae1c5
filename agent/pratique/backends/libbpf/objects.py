"""Object files: opened, loaded, and the programs in them attached."""

import ctypes
import os
from collections.abc import Callable, Iterator
from ctypes import byref, c_char_p, c_size_t, c_uint32, c_void_p
from pathlib import Path

from pratique.backends.libbpf import checked, last_errno, library
from pratique.backends.libbpf.maps import Map
from pratique.errors import GuardError

_REASON_BYTES = 128


class IterTask(ctypes.Structure):
    """The process that an iterator walks."""

    _fields_ = (("tid", c_uint32), ("pid", c_uint32), ("pid_fd", c_uint32), ("unused", c_uint32))


class _IterOptions(ctypes.Structure):
    _fields_ = (("sz", c_size_t), ("link_info", c_void_p), ("link_info_len", c_uint32))


class _OpenOptions(ctypes.Structure):
    _fields_ = (("sz", c_size_t), ("object_name", c_char_p))


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
        checked(library().bpf_link__pin(self._pointer, os.fsencode(path)), path)

    def close(self) -> None:
        """Detach, unless it is pinned; safe to call twice."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            library().bpf_link__destroy(pointer)


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
            try:
                checked(lib.bpf_map__reuse_fd(each, lib.bpf_map__fd(own)))
            except OSError:
                other.close()
                raise
        return other

    def load(self) -> None:
        """Give everything to the kernel; OSError with the kernel's reason if it refuses."""
        checked(library().bpf_object__load(self._pointer))

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
        task = IterTask(pid=pid)
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


def read_iterator(link: Link) -> bytes:
    """One whole run of an attached iterator."""
    fd = checked(library().bpf_iter_create(link.fd))
    try:
        return b"".join(iter(lambda: os.read(fd, 1 << 16), b""))
    finally:
        os.close(fd)


def _each(following: Callable[[int | None, int | None], int | None], whole: int | None) -> Iterator[int]:
    """What libbpf lists one after the other, of an open object."""
    found = following(whole, None)
    while found is not None:
        yield found
        found = following(whole, found)
