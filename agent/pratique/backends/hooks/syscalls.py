"""Which system calls the kernel programs look at, by number, and where each keeps what is told of it."""

import os
import socket
from collections.abc import Mapping

from pratique.backends import syscalls
from pratique.backends.hooks.mirrors import CWatch
from pratique.errors import GuardError
from pratique.words import Act

_PATH, _OPEN, _CONNECT, _PTRACE, _VM_READ, _VM_WRITE, _PIDFD_GETFD, _FILTERED = range(1, 9)
_DONE, _INDIRECT, _FAMILY, _NAMESPACE = 1, 2, 4, 8
_NONE = 0xFF

_NUMBERS = {
    "x86_64": {
        "open": 2,
        "connect": 42,
        "truncate": 76,
        "rename": 82,
        "mkdir": 83,
        "rmdir": 84,
        "creat": 85,
        "link": 86,
        "unlink": 87,
        "symlink": 88,
        "chmod": 90,
        "ptrace": 101,
        "openat": 257,
        "mkdirat": 258,
        "unlinkat": 263,
        "renameat": 264,
        "linkat": 265,
        "symlinkat": 266,
        "fchmodat": 268,
        "process_vm_readv": 310,
        "process_vm_writev": 311,
        "renameat2": 316,
        "openat2": 437,
        "pidfd_getfd": 438,
        "fchmodat2": 452,
    },
    "aarch64": {
        "mkdirat": 34,
        "unlinkat": 35,
        "symlinkat": 36,
        "linkat": 37,
        "renameat": 38,
        "truncate": 45,
        "fchmodat": 53,
        "openat": 56,
        "ptrace": 117,
        "connect": 203,
        "process_vm_readv": 270,
        "process_vm_writev": 271,
        "renameat2": 276,
        "openat2": 437,
        "pidfd_getfd": 438,
        "fchmodat2": 452,
    },
}


def watches() -> dict[int, bytes]:
    """System-call number on this machine → map value."""
    numbers = _NUMBERS.get(os.uname().machine)
    if numbers is None:
        raise GuardError(f"the hooks backend does not know {os.uname().machine}", "use --backend rootless")
    answered = syscalls.numbers()
    return {number: bytes(_CALLS[name]) for name, number in numbers.items()} | {
        answered[name]: bytes(watch) for name, watch in _ANSWERED.items()
    }


def request(number: int, argument: int) -> str:
    """What a filtered call asked for, for people: its name, and the family of a socket."""
    name = _NAMES.get(number, f"system call {number}")
    if name != "socket":
        return name
    try:
        return f"socket({socket.AddressFamily(argument & 0xFFFFFFFF).name})"
    except ValueError:
        return f"socket({argument & 0xFFFFFFFF})"


def _told(
    act: Act, path: int, to: int = _NONE, dirs: tuple[int, int] = (_NONE, _NONE), *, done: bool = False
) -> CWatch:
    return CWatch(_PATH, act, path, to, *dirs, _NONE, _DONE if done else 0)


def _opened(path: int, flags: int, directory: int = _NONE, *, indirect: bool = False) -> CWatch:
    return CWatch(_OPEN, Act.FILE_WRITE, path, _NONE, directory, _NONE, flags, _INDIRECT if indirect else 0)


_CALLS = {
    "open": _opened(0, 1),
    "creat": _opened(0, _NONE),
    "openat": _opened(1, 2, 0),
    "openat2": _opened(1, 2, 0, indirect=True),
    "rename": _told(Act.FILE_RENAME, 0, 1, done=True),
    "renameat": _told(Act.FILE_RENAME, 1, 3, (0, 2), done=True),
    "renameat2": _told(Act.FILE_RENAME, 1, 3, (0, 2), done=True),
    "link": _told(Act.FILE_LINK, 0, 1),
    "linkat": _told(Act.FILE_LINK, 1, 3, (0, 2)),
    "symlink": _told(Act.FILE_LINK, 0, 1),
    "symlinkat": _told(Act.FILE_LINK, 0, 2, (_NONE, 1)),
    "unlink": _told(Act.FILE_REMOVE, 0, done=True),
    "unlinkat": _told(Act.FILE_REMOVE, 1, dirs=(0, _NONE), done=True),
    "rmdir": _told(Act.FILE_REMOVE, 0, done=True),
    "mkdir": _told(Act.FILE_CREATE, 0),
    "mkdirat": _told(Act.FILE_CREATE, 1, dirs=(0, _NONE)),
    "truncate": _told(Act.FILE_TRUNCATE, 0, done=True),
    "chmod": _told(Act.FILE_SETATTR, 0),
    "fchmodat": _told(Act.FILE_SETATTR, 1, dirs=(0, _NONE)),
    "fchmodat2": _told(Act.FILE_SETATTR, 1, dirs=(0, _NONE)),
    "connect": CWatch(_CONNECT, Act.IPC_CONNECT),
    "ptrace": CWatch(_PTRACE, Act.PROC_MEMORY),
    "process_vm_readv": CWatch(_VM_READ, Act.PROC_MEMORY),
    "process_vm_writev": CWatch(_VM_WRITE, Act.PROC_MEMORY),
    "pidfd_getfd": CWatch(_PIDFD_GETFD, Act.PROC_MEMORY),
}

# What the filter of the static layer answers (backends/seccomp.py). Not clone3: libc tries it before every clone.
_BY_ACT: Mapping[Act, tuple[str, ...]] = {
    Act.KERNEL_BPF: (
        *("bpf", "perf_event_open", "userfaultfd"),
        *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load"),
    ),
    Act.MOUNT: (
        *("mount", "umount2", "pivot_root", "fsopen", "fsconfig", "fsmount", "fspick", "open_by_handle_at"),
        *("open_tree", "open_tree_attr", "move_mount", "mount_setattr"),
    ),
    Act.NS_ENTER: ("setns",),
    Act.RING: ("io_uring_setup",),
}
_ANSWERED = {name: CWatch(_FILTERED, act) for act, names in _BY_ACT.items() for name in names} | {
    "clone": CWatch(_FILTERED, Act.NS_ENTER, flags=_NAMESPACE),
    "unshare": CWatch(_FILTERED, Act.NS_ENTER, flags=_NAMESPACE),
    "socket": CWatch(_FILTERED, Act.NET_CONNECT, flags=_FAMILY),
}
_NAMES = {syscalls.numbers()[name]: name for name in _ANSWERED} if os.uname().machine in _NUMBERS else {}
