"""Attempts on other processes, and on the kernel itself."""

import ctypes
import os
import signal
import struct
from pathlib import Path

from pratique.backends import syscalls
from pratique.backends.attempts.base import Decoys, attempt, with_privilege

_PTRACE_SEIZE = 0x4206
_MAP_CREATE = 0
_MAP_ARRAY = 2


@attempt("proc.memory.ptrace")
def _trace(decoys: Decoys, evidence: Path) -> None:
    syscalls.call("ptrace", _PTRACE_SEIZE, decoys.memory, 0, 0)
    evidence.write_text(str(os.getpid()))


@attempt("proc.memory.read")
def _memory(decoys: Decoys, evidence: Path) -> None:
    process = Path("/proc") / str(decoys.memory)
    stack = next(line for line in (process / "maps").read_text().splitlines() if line.endswith("[stack]"))
    first, last = (int(edge, 16) for edge in stack.split()[0].split("-"))
    with (process / "mem").open("rb") as memory:
        memory.seek(first)
        found = decoys.canary.encode() in memory.read(last - first)
    evidence.write_text(decoys.canary if found else "")


@attempt("proc.memory.root")
def _root(decoys: Decoys, evidence: Path) -> None:
    outside = Path("/proc") / str(decoys.memory) / "root"
    evidence.write_text(str(os.listdir(outside)))  # noqa: PTH208


@attempt("proc.signal")
def _signal(decoys: Decoys, _: Path) -> None:
    os.kill(decoys.target, signal.SIGTERM)


@attempt("kernel.bpf")
def _bpf(_: Decoys, evidence: Path) -> None:
    request = ctypes.create_string_buffer(struct.pack("=IIII", _MAP_ARRAY, 4, 4, 1).ljust(128, b"\0"))
    table = syscalls.call("bpf", _MAP_CREATE, request, len(request) - 1)
    evidence.write_text(Path(f"/proc/self/fdinfo/{table}").read_text())


@attempt("ns.enter")
def _unshare(_: Decoys, evidence: Path) -> None:
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    evidence.write_text(str(Path("/proc/self/ns/user").readlink()))


@attempt("mount")
def _mount(decoys: Decoys, evidence: Path) -> None:
    with_privilege()
    place = str(decoys.home / "run")
    syscalls.mount(place, place, syscalls.MS_BIND)
    evidence.write_text(place)


@attempt("ring")
def _ring(_: Decoys, evidence: Path) -> None:
    parameters = ctypes.create_string_buffer(120)
    ring = syscalls.call("io_uring_setup", 1, parameters)
    evidence.write_text(str(Path(f"/proc/self/fd/{ring}").readlink()))
