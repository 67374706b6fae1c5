"""The root of the cgroup-v2 tree, wherever it is mounted, or not."""

import ctypes
import os
from ctypes import c_char_p, c_int, c_long
from pathlib import Path

from pratique.errors import GuardError

_MOUNTS = Path("/proc/self/mountinfo")
# The same numbers on all architectures; glibc before 2.36 has no wrappers.
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_FSCONFIG_CMD_CREATE = 6
_CLOEXEC = 1


def open_root() -> int:
    """A descriptor of the tree's root; on hosts that mount only v1, of a mount that hangs nowhere."""
    for line in _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        place, _, source = line.partition(" - ")
        root, mountpoint = place.split(" ")[3:5]
        if source.startswith("cgroup2 ") and root == "/":
            return os.open(_unescaped(mountpoint), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return detached("cgroup2")
    except OSError as error:
        raise GuardError("this kernel has no cgroup v2", "use a kernel with CONFIG_CGROUP_BPF=y") from error


def detached(filesystem: str) -> int:
    """A mount of `filesystem` on no path, gone with its descriptor; OSError if the kernel refuses."""
    context = _call(_FSOPEN, c_char_p(filesystem.encode()), c_int(_CLOEXEC))
    try:
        _call(_FSCONFIG, c_int(context), c_int(_FSCONFIG_CMD_CREATE), None, None, c_int(0))
        return _call(_FSMOUNT, c_int(context), c_int(_CLOEXEC), c_int(0))
    finally:
        os.close(context)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = c_long
    result = int(libc.syscall(c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _unescaped(field: str) -> str:
    """Mountinfo writes blanks and backslashes as octal."""
    for octal, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(octal, char)
    return field
