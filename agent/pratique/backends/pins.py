"""Maps, links and programs that outlive the agent: pinned in a BPF file system of our own, and taken up again.

It is mounted beside the control socket, so that one unmount lets go of everything.
"""

import contextlib
import ctypes
import os
from collections.abc import Mapping
from ctypes import byref, c_size_t, c_uint32, c_void_p
from pathlib import Path

from pratique.backends import syscalls
from pratique.backends.libbpf import checked, last_errno, library, pin, pinned
from pratique.backends.libbpf.maps import Map
from pratique.backends.libbpf.objects import IterTask, Link
from pratique.errors import GuardError

_TRACE_ITER = 28
_MOUNTS = Path("/proc/self/mountinfo")
_MNT_DETACH = 2


class _MapInfo(ctypes.Structure):
    _fields_ = (("type", c_uint32), ("id", c_uint32), ("key_size", c_uint32), ("value_size", c_uint32))


class _LinkOptions(ctypes.Structure):
    _fields_ = (("sz", c_size_t), ("flags", c_uint32), ("info", c_void_p), ("info_len", c_uint32))


class Pins:
    """One folder of pins; `version` names what they were made of, and others are not taken up."""

    def __init__(self, folder: str, version: str) -> None:
        self._top = Path(folder)
        self._folder = self._top / version

    def held(self) -> bool:
        """Whether an earlier agent of this version left a whole set here."""
        return (self._folder / "whole").exists()

    def of_others(self, name: str) -> list[Map]:
        """The map of that name of every other version that is kept here."""
        kept = self._top.iterdir() if self._top.is_mount() else ()
        folders = [each for each in kept if each != self._folder and (each / "whole").exists()]
        return [Kept(each).map(name) for each in folders]

    def keep(self, maps: Mapping[str, Map], links: Mapping[str, Link], programs: Mapping[str, int]) -> None:
        """Pin everything; `GuardError` and no pin left when something cannot be."""
        mount(self._top)
        try:
            self._folder.mkdir(mode=0o700)
            for name, kept in maps.items():
                pin(kept.fd, self._path("map", name))
            for name, link in links.items():
                pin(link.fd, self._path("link", name))
            for name, program in programs.items():
                pin(program, self._path("program", name))
            (self._folder / "whole").mkdir()
        except OSError as error:
            unmount(self._top)
            raise GuardError(f"what refuses cannot be pinned: {error.strerror}") from error

    def open(self) -> "Kept":
        """What the earlier agent pinned."""
        return Kept(self._folder)

    def drop(self) -> None:
        """Let go of everything that is pinned, whoever made it."""
        unmount(self._top)

    def _path(self, kind: str, name: str) -> Path:
        return _path(self._folder, kind, name)


class Kept:
    """Pinned maps, links and programs, with the methods of `Object` that a loaded one is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._maps: dict[str, Map] = {}
        self._programs: dict[str, int] = {}

    def map(self, name: str) -> Map:
        """A pinned map."""
        if name not in self._maps:
            self._maps[name] = _map(_get(_path(self._folder, "map", name)))
        return self._maps[name]

    def attach(self, name: str) -> Link:
        """The link of a program that is in force already."""
        pointer = library().bpf_link__open(os.fsencode(_path(self._folder, "link", name)))
        if pointer is None:
            raise OSError(last_errno(), f"{name}: {os.strerror(last_errno())}")
        return Link(pointer)

    def attach_cgroup(self, name: str, _cgroup_fd: int) -> Link:
        """The same: it hangs where it was hung."""
        return self.attach(name)

    def attach_task_iterator(self, name: str, pid: int) -> "RawLink":
        """Attach a pinned iterator program that walks one process only."""
        task = IterTask(pid=pid)
        options = _LinkOptions(ctypes.sizeof(_LinkOptions), 0, ctypes.addressof(task), ctypes.sizeof(task))
        program = self.program_fd(name)
        return RawLink(checked(library().bpf_link_create(program, 0, _TRACE_ITER, byref(options))))

    def program_fd(self, name: str) -> int:
        """A pinned program, open until `close`."""
        if name not in self._programs:
            self._programs[name] = _get(_path(self._folder, "program", name))
        return self._programs[name]

    def close(self) -> None:
        """Close the descriptors of maps and programs; safe to call twice."""
        maps, self._maps = self._maps, {}
        programs, self._programs = self._programs, {}
        for fd in (*(kept.fd for kept in maps.values()), *programs.values()):
            os.close(fd)


class RawLink(Link):
    """A link known by its descriptor alone."""

    def __init__(self, fd: int) -> None:
        super().__init__(0)
        self._fd = fd

    @property
    def fd(self) -> int:
        """Its descriptor."""
        return self._fd

    def close(self) -> None:
        """Detach; safe to call twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def mount(folder: Path) -> None:
    """Mount a BPF file system on `folder`, once; `GuardError` where the kernel has none."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_mount():
        return
    try:
        syscalls.call("mount", b"pratique", os.fsencode(folder), b"bpf", 0, b"mode=0700")
    except OSError as error:
        raise GuardError(f"no BPF file system can be mounted on {folder}: {error.strerror}") from error


def unmount(folder: Path) -> None:
    """Take it off again with all its pins; no error when there is none."""
    with contextlib.suppress(OSError):
        syscalls.call("umount2", os.fsencode(folder), _MNT_DETACH)


def _path(folder: Path, kind: str, name: str) -> Path:
    return folder / f"{kind}-{name.lstrip('.')}"  # a BPF file system takes no names with dots


def _get(path: Path) -> int:
    try:
        return pinned(path)
    except OSError as error:
        raise GuardError(
            f"{path.name} cannot be taken up again: {error.strerror}",
            "pratique uninstall lets go of everything",
        ) from error


def _map(fd: int) -> Map:
    info, size = _MapInfo(), c_uint32(ctypes.sizeof(_MapInfo))
    checked(library().bpf_obj_get_info_by_fd(fd, byref(info), byref(size)))
    return Map(fd, info.key_size, info.value_size)
