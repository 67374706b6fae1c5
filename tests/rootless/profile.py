"""What a container's default profile refuses, as a filter: Docker's, as far as it matters without privilege."""

import errno
import struct

from pratique.backends import seccomp, syscalls

PROFILE = "PRATIQUE_TEST_PROFILE"
"""An environment variable: set, whoever gives up privilege enters the profile as well."""
_REFUSED = (
    *(
        "pidfd_getfd",
        "process_vm_readv",
        "process_vm_writev",
        "unshare",
        "setns",
        "mount",
        "umount2",
        "pivot_root",
    ),
    *("fsopen", "open_tree", "move_mount", "mount_setattr", "bpf", "perf_event_open", "userfaultfd"),
    *(
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "open_by_handle_at",
        "kexec_load",
        "init_module",
    ),
)


def enter() -> None:
    """From now on this process is confined as a container's first one would be."""
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    for name in _REFUSED:
        syscalls.install_filter(refusing(name, errno.EPERM))
    syscalls.install_filter(refusing("clone3", errno.ENOSYS))


def refusing(name: str, error: int) -> bytes:
    """A filter that answers one call with an error."""
    rows = [
        (0x20, 0, 0, 0),
        (0x15, 0, 1, syscalls.numbers()[name]),
        (0x06, 0, 0, 0x00050000 | error),
        (0x06, 0, 0, seccomp.ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *row) for row in rows)
