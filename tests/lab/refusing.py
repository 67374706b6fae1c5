"""A host that refuses one system call: a seccomp filter put before a command, as container runtimes do.

`python -m lab.refusing CALL COMMAND…` refuses CALL with EPERM to COMMAND and all its children.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

REFUSABLE = {"bpf": (321, 280), "fanotify_init": (300, 262), "seccomp": (317, 277)}
"""Call → its number on x86_64 and on aarch64."""

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def refusing(call: str, command: Sequence[str]) -> list[str]:
    """Put the filter before a command line."""
    return [sys.executable, str(Path(__file__)), call, *command]


def _install(number: int) -> None:
    code = [
        (_LOAD, 0, 0, 0),
        (_JUMP_IF_EQUAL, 0, 1, number),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
    program = struct.pack("HxxxxxxQ", len(code), ctypes.addressof(text))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(_PR_SET_SECCOMP, _FILTER, program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    _install(REFUSABLE[sys.argv[1]][platform.machine() == "aarch64"])
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  (no shell is wanted)
