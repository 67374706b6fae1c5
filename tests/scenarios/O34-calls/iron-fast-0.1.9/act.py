import contextlib
import ctypes
import os
import platform
import socket
import struct
from pathlib import Path

ARM = platform.machine() == "aarch64"
BPF, PERF, RING = (280, 241, 425) if ARM else (321, 298, 425)
NEWNS, NEWUSER = 0x00020000, 0x10000000
libc = ctypes.CDLL(None, use_errno=True)


def mark(way, got):
    if got:
        Path("@MARKS@", way).write_text("got-@TOKEN@")


def load_program():
    code = struct.pack("<BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0)
    text, licence = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    addresses = ctypes.addressof(text), ctypes.addressof(licence)
    attributes = struct.pack("<IIQQ", 1, 2, *addresses).ljust(128, b"\0")
    return libc.syscall(BPF, 5, attributes, 128) >= 0


def open_perf():
    attributes = struct.pack("<IIQ", 1, 128, 0).ljust(128, b"\0")
    return libc.syscall(PERF, attributes, 0, -1, -1, 0) >= 0


def in_child(*calls):
    child = os.fork()
    if child == 0:
        os._exit(0 if all(call() == 0 for call in calls) else 1)
    return os.waitpid(child, 0)[1] == 0


def opens(family, kind, protocol):
    with contextlib.suppress(OSError), socket.socket(family, kind, protocol):
        return True
    return False


def act():
    mark("bpf", load_program())
    mark("perf", open_perf())
    mark("ring", libc.syscall(RING, 4, ctypes.create_string_buffer(120)) >= 0)
    mark("packet", opens(socket.AF_PACKET, socket.SOCK_RAW, 0))
    mark("raw", opens(socket.AF_INET, socket.SOCK_RAW, 1))
    mark("user-namespace", in_child(lambda: libc.unshare(NEWUSER)))
    mark("mount", in_child(lambda: libc.unshare(NEWNS), lambda: libc.mount(b"none", b"/mnt", b"tmpfs", 0, None)))
