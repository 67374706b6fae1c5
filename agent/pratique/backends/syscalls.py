"""System calls that the standard library lacks, by number: what the backends mount, filter and scope with.

Each raises `OSError` with the kernel's errno. Nothing is imported or looked up at the time of a call, so
that a forked child may use them before it execs.
"""

import ctypes
import errno
import os
from collections.abc import Mapping

from pratique.errors import GuardError

CLONE_NEWTIME = 0x00000080
CLONE_THREAD = 0x00010000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x80000

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_ATTR_RDONLY = 0x1
_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_RULE_PATH_BENEATH = 1
_SECCOMP_SET_MODE_FILTER = 1
# Speculation stays as it was for the command: the filter guards nothing inside its own address space.
_SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4
_SECCOMP_FILTER_FLAG_NEW_LISTENER = 8
# A caller whose call is being answered is woken by fatal signals only: no call is answered twice.
_SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 32

# Numbers from 424 on are the same on every architecture.
_COMMON = {
    "pidfd_send_signal": 424,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "clone3": 435,
    "openat2": 437,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
    "fchmodat2": 452,
    "open_tree_attr": 467,
}
_NUMBERS: Mapping[str, Mapping[str, int]] = {
    "x86_64": _COMMON
    | {
        "open": 2,
        "socket": 41,
        "connect": 42,
        "sendto": 44,
        "sendmsg": 46,
        "listen": 50,
        "socketpair": 53,
        "clone": 56,
        "fork": 57,
        "vfork": 58,
        "execve": 59,
        "kill": 62,
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
        "rt_sigqueueinfo": 129,
        "pivot_root": 155,
        "prctl": 157,
        "mount": 165,
        "umount2": 166,
        "init_module": 175,
        "delete_module": 176,
        "tkill": 200,
        "tgkill": 234,
        "kexec_load": 246,
        "openat": 257,
        "mkdirat": 258,
        "unlinkat": 263,
        "renameat": 264,
        "linkat": 265,
        "symlinkat": 266,
        "fchmodat": 268,
        "unshare": 272,
        "rt_tgsigqueueinfo": 297,
        "perf_event_open": 298,
        "open_by_handle_at": 304,
        "sendmmsg": 307,
        "setns": 308,
        "process_vm_readv": 310,
        "process_vm_writev": 311,
        "finit_module": 313,
        "renameat2": 316,
        "seccomp": 317,
        "kexec_file_load": 320,
        "bpf": 321,
        "execveat": 322,
        "userfaultfd": 323,
    },
    "aarch64": _COMMON
    | {
        "mkdirat": 34,
        "unlinkat": 35,
        "symlinkat": 36,
        "linkat": 37,
        "renameat": 38,
        "umount2": 39,
        "mount": 40,
        "pivot_root": 41,
        "truncate": 45,
        "fchmodat": 53,
        "openat": 56,
        "unshare": 97,
        "kexec_load": 104,
        "init_module": 105,
        "delete_module": 106,
        "ptrace": 117,
        "kill": 129,
        "tkill": 130,
        "tgkill": 131,
        "rt_sigqueueinfo": 138,
        "prctl": 167,
        "socket": 198,
        "socketpair": 199,
        "listen": 201,
        "connect": 203,
        "sendto": 206,
        "sendmsg": 211,
        "clone": 220,
        "execve": 221,
        "rt_tgsigqueueinfo": 240,
        "perf_event_open": 241,
        "open_by_handle_at": 265,
        "setns": 268,
        "sendmmsg": 269,
        "process_vm_readv": 270,
        "process_vm_writev": 271,
        "finit_module": 273,
        "renameat2": 276,
        "seccomp": 277,
        "bpf": 280,
        "execveat": 281,
        "userfaultfd": 282,
        "kexec_file_load": 294,
    },
}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"  # what _pack_ has always meant; newer Pythons want it said
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def numbers(machine: str = os.uname().machine) -> Mapping[str, int]:
    """Look up the system call numbers of a machine; `GuardError` for one that has no table."""
    try:
        return _NUMBERS[machine]
    except KeyError:
        raise GuardError(f"no system call table for {machine}", "use x86_64 or aarch64") from None


def call(name: str, *arguments: object) -> int:
    """Make the system call of that name with integers, bytes, or ctypes pointers."""
    result: int = _libc.syscall(_word(_NATIVE[name]), *map(_word, arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def unshare(flags: int) -> None:
    """Leave the namespaces of the parent (`os.unshare` came with Python 3.12)."""
    call("unshare", flags)


def prctl(option: int, argument: int) -> None:
    """Set one attribute of this process."""
    if _libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def mount(source: str, target: str, flags: int) -> None:
    """Bind a mount or change its propagation: no file system type, no data."""
    call("mount", os.fsencode(source), os.fsencode(target), None, flags, None)


def make_readonly(target: str) -> None:
    """Make the mount at `target` and all mounts below it read-only; nosuid, nodev … stay as they are."""
    attributes = _MountAttributes(attr_set=_MOUNT_ATTR_RDONLY)
    size = ctypes.sizeof(attributes)
    call("mount_setattr", AT_FDCWD, os.fsencode(target), _AT_RECURSIVE, ctypes.byref(attributes), size)


def landlock_abi() -> int:
    """Ask for the Landlock version of this kernel, 0 where it is absent or switched off."""
    try:
        return call("landlock_create_ruleset", None, 0, _LANDLOCK_CREATE_RULESET_VERSION)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP):
            return 0
        raise


def landlock_ruleset(files: int = 0, scoped: int = 0) -> int:
    """Open a new ruleset (close-on-exec); older kernels take the longer record while its tail is 0."""
    ruleset = _Ruleset(handled_access_fs=files, scoped=scoped)
    return call("landlock_create_ruleset", ctypes.byref(ruleset), ctypes.sizeof(ruleset), 0)


def landlock_allow(ruleset: int, path: str, access: int) -> None:
    """Allow the file rights `access` below `path`."""
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _PathBeneath(allowed_access=access, parent_fd=parent)
        call("landlock_add_rule", ruleset, _LANDLOCK_RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(parent)


def landlock_restrict(ruleset: int) -> None:
    """Put this thread and its children into the domain; needs CAP_SYS_ADMIN or no-new-privs."""
    call("landlock_restrict_self", ruleset, 0)


def install_filter(program: bytes) -> None:
    """Bind a seccomp program to this thread and its descendants; needs CAP_SYS_ADMIN or no-new-privs."""
    record = _FilterProgram(length=len(program) // 8, instructions=program)
    call("seccomp", _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_SPEC_ALLOW, ctypes.byref(record))


def install_listener(program: bytes) -> int:
    """Bind a seccomp program to this thread; the descriptor at which its notifications arrive (close-on-exec).

    `OSError` EBUSY where another listener waits above this thread already.
    """
    record = _FilterProgram(length=len(program) // 8, instructions=program)
    flags = _SECCOMP_FILTER_FLAG_SPEC_ALLOW | _SECCOMP_FILTER_FLAG_NEW_LISTENER
    for more in (_SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 0):
        try:
            return call("seccomp", _SECCOMP_SET_MODE_FILTER, flags | more, ctypes.byref(record))
        except OSError as error:
            if error.errno != errno.EINVAL or not more:
                raise
    raise AssertionError


def pidfd_getfd(pidfd: int, descriptor: int) -> int:
    """Duplicate another process's descriptor."""
    return call("pidfd_getfd", pidfd, descriptor, 0)


def _word(argument: object) -> object:
    # Variadic arguments keep their C width: a bare int would be cut to 32 bits.
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


_NATIVE = _NUMBERS.get(os.uname().machine, _COMMON)
