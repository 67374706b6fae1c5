"""A run inside a run: the outer guard already holds, so the inner one only says so (docs/policy.md section 6)."""

import ctypes
from collections.abc import Mapping

MARK = "PRATIQUE_RUN"


def outer_run(environment: Mapping[str, str]) -> str | None:
    """Id of the run this process is already guarded by, or None.

    The environment variable alone proves nothing: anyone may export it, and it would switch the guard off. The
    outer run's filter must answer for itself, with an error that neither the kernel nor a container's filter gives.
    """
    run = environment.get(MARK)
    return run if run and _answered() else None


def _answered() -> bool:
    from pratique.backends import seccomp  # noqa: PLC0415 (only a run inside a run asks)

    libc = ctypes.CDLL(None, use_errno=True)
    return libc.prctl(seccomp.MARK_OPTION, 0, 0, 0, 0) == -1 and ctypes.get_errno() == seccomp.MARK_ERRNO
