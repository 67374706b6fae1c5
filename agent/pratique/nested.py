"""A run inside a run: the outer guard already holds, so the inner one only says so (docs/policy.md section 6)."""

import ctypes
import errno
import os
from collections.abc import Mapping

MARK = "PRATIQUE_RUN"
_SYS_BPF = {"x86_64": 321, "aarch64": 280}


def outer_run(environment: Mapping[str, str]) -> str | None:
    """Id of the run this process is already guarded by, or None.

    The environment variable is only a hint that anyone may set; the outer guard's filter must also really refuse
    something here, or an exported variable would switch the guard off.
    """
    run = environment.get(MARK)
    return run if run and _filtered() else None


def _filtered() -> bool:
    """Whether a seccomp filter refuses bpf() to root: an empty map creation gives EINVAL where none does."""
    if os.geteuid() != 0:
        return False
    number = _SYS_BPF.get(os.uname().machine)
    if number is None:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = ctypes.create_string_buffer(72)
    return libc.syscall(number, 0, attributes, 72) == -1 and ctypes.get_errno() == errno.EPERM
