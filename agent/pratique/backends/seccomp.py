"""The seccomp filter of the static layer: what no manager and no helper needs (docs/policy.md section 8).

Package code runs as root under `hooks`, so the calls that could undo the read-only places (mounts,
namespaces, file handles) are refused with the rest. Refusals are ordinary errors, so that fallbacks work.
Calls that are always allowed cost nothing: the kernel keeps a bitmap of them and does not run the filter.
"""

import errno
import os
import socket
import struct
from collections.abc import Mapping

from pratique.backends import syscalls

ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
NOTIFY = 0x7FC00000
_TRACE = 0x7FF00000
_ERRNO = 0x00050000

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST = 0x35
_IF_ANY_BIT = 0x45
_AND = 0x54
_RETURN = 0x06

_NUMBER_AT = 0  # offsets in struct seccomp_data
_ARCH_AT = 4
_ARGUMENTS_AT = 16

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

_ABSENT = ("io_uring_setup", "io_uring_enter", "io_uring_register", "clone3")
"""Answered ENOSYS: rings pass tracepoints unseen; clone3 hides its flags in memory (libc then uses clone)."""

_REFUSED = (
    *("bpf", "perf_event_open", "userfaultfd", "open_by_handle_at", "setns"),
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load"),
    *("mount", "umount2", "pivot_root", "fsopen", "fsconfig", "fsmount", "fspick"),
    *("open_tree", "open_tree_attr", "move_mount", "mount_setattr"),
)
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)
NEW_NAMESPACE = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWCGROUP
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUSER
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWNET
)
MARK_OPTION = 0x50524154
"""A prctl option no kernel has: the filter of a run answers it with `MARK_ERRNO`, any other process gets EINVAL."""
MARK_ERRNO = errno.EDOTDOT

_SET_MODE_FILTER = 1
_NEW_LISTENER = 8

NOTIFIED = (
    *("open", "creat", "openat", "openat2", "execve", "execveat"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
    *("unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "truncate", "chmod", "fchmodat", "fchmodat2"),
    *("connect", "sendmsg", "sendmmsg", "listen"),
    *("process_vm_readv", "process_vm_writev", "pidfd_getfd", "io_uring_setup"),
    *_REFUSED,
)
"""What the supervisor of the `rootless` backend is asked about each time, where the machine has such a call."""
SIGNALS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal")
"""The same where Landlock does not scope signals."""
_TRACE_ME = 0
_ADDRESS_OF_SENDTO = 4
_STREAM_AND_DATAGRAM = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
_TYPE_BITS = 0xF
USUAL_PROTOCOLS = (0, socket.IPPROTO_TCP, socket.IPPROTO_UDP, 262)  # 262 is MPTCP


def program(machine: str = os.uname().machine) -> bytes:
    """Build the filter for a machine's own system calls; `GuardError` for a machine without a table."""
    number = syscalls.numbers(machine)
    parts = [_prologue(machine), _mark(number)]
    parts += [_when(number[name], _fail(errno.ENOSYS)) for name in _ABSENT]
    parts += [_when(number[name], _fail(errno.EPERM)) for name in _REFUSED]
    # In clone the low byte is the exit signal, so only unshare can ask for a time namespace.
    parts.append(_when(number["clone"], _fail_on_bits(0, NEW_NAMESPACE, errno.EPERM)))
    unshared = NEW_NAMESPACE | syscalls.CLONE_NEWTIME
    parts.append(_when(number["unshare"], _fail_on_bits(0, unshared, errno.EPERM)))
    parts.append(_when(number["socket"], _fail_unless(0, _FAMILIES, errno.EAFNOSUPPORT)))
    parts.append(_when(number["seccomp"], _refuse_listener()))
    parts.append(_return(ALLOW))
    return b"".join(parts)


def listening(machine: str = os.uname().machine, *, signals: bool = False, sockets: bool = False) -> bytes:
    """Build the filter of the `rootless` backend: it hands over to a listener what must be decided or told of.

    `signals`: those as well. `sockets`: every new one as well, since those are made by the supervisor. Only the
    registers decide here what is handed over, so nothing can be changed behind it.
    """
    number = syscalls.numbers(machine)
    parts = [_prologue(machine), _prctl(number)]
    parts += [_when(number[name], _fail(errno.ENOSYS)) for name in _ABSENT if name not in NOTIFIED]
    notified = (*NOTIFIED, *SIGNALS) if signals else NOTIFIED
    parts += [_when(number[name], _return(NOTIFY)) for name in notified if name in number]
    parts.append(_when(number["clone"], _notify_on_bits(0, NEW_NAMESPACE)))
    parts.append(_when(number["unshare"], _notify_on_bits(0, NEW_NAMESPACE | syscalls.CLONE_NEWTIME)))
    parts.append(_when(number["sendto"], _notify_if_set(_ADDRESS_OF_SENDTO)))
    parts.append(_when(number["ptrace"], _notify_unless(0, (_TRACE_ME,))))
    parts.append(_when(number["socket"], _return(NOTIFY) if sockets else _notify_unusual_socket()))
    if sockets:
        parts.append(_when(number["socketpair"], _notify_datagrams()))
    parts.append(_when(number["seccomp"], _refuse_listener()))
    parts.append(_return(ALLOW))
    return b"".join(parts)


def traced(program: bytes) -> bytes:
    """The same filter for a tracer instead of a listener."""
    steps = struct.iter_unpack("=HBBI", program)
    return b"".join(
        _step(code, _TRACE if (code, value) == (_RETURN, NOTIFY) else value, then, otherwise)
        for code, then, otherwise, value in steps
    )


def _prctl(number: Mapping[str, int]) -> bytes:
    """The mark; and whoever wants to adopt orphans is told yes: ours is the only process they may come to."""
    asked = _step(_IF_EQUAL, MARK_OPTION, 0, 1) + _fail(MARK_ERRNO)
    adopter = _step(_IF_EQUAL, syscalls.PR_SET_CHILD_SUBREAPER, 0, 1) + _fail(0)
    return _when(number["prctl"], _load_argument(0) + asked + adopter + _return(ALLOW))


def mark(machine: str = os.uname().machine) -> bytes:
    """Build a filter that refuses nothing and only answers the mark, for runs that only record."""
    native = _load(_ARCH_AT) + _step(_IF_EQUAL, _ARCHITECTURES[machine], 1, 0) + _return(ALLOW)
    return native + _load(_NUMBER_AT) + _mark(syscalls.numbers(machine)) + _return(ALLOW)


def _mark(number: Mapping[str, int]) -> bytes:
    asked = _load_argument(0) + _step(_IF_EQUAL, MARK_OPTION, 0, 1) + _fail(MARK_ERRNO) + _return(ALLOW)
    return _when(number["prctl"], asked)


def _prologue(machine: str) -> bytes:
    native = _load(_ARCH_AT) + _step(_IF_EQUAL, _ARCHITECTURES[machine], 1, 0) + _return(KILL_PROCESS)
    number = _load(_NUMBER_AT)
    if machine == "x86_64":
        number += _step(_IF_AT_LEAST, _X32_BIT, 0, 1) + _fail(errno.ENOSYS)
    return native + number


def _when(number: int, body: bytes) -> bytes:
    """Run `body`, which must return, for one system call number."""
    return _step(_IF_EQUAL, number, 0, len(body) // 8) + body


def _fail_on_bits(argument: int, bits: int, error: int) -> bytes:
    return _load_argument(argument) + _step(_IF_ANY_BIT, bits, 0, 1) + _fail(error) + _return(ALLOW)


def _fail_unless(argument: int, values: tuple[int, ...], error: int) -> bytes:
    tests = b"".join(_step(_IF_EQUAL, value, 0, 1) + _return(ALLOW) for value in values)
    return _load_argument(argument) + tests + _fail(error)


def _notify_on_bits(argument: int, bits: int) -> bytes:
    return _load_argument(argument) + _step(_IF_ANY_BIT, bits, 0, 1) + _return(NOTIFY) + _return(ALLOW)


def _notify_unless(argument: int, values: tuple[int, ...]) -> bytes:
    tests = b"".join(_step(_IF_EQUAL, value, 0, 1) + _return(ALLOW) for value in values)
    return _load_argument(argument) + tests + _return(NOTIFY)


def _notify_if_set(argument: int) -> bytes:
    """A pointer that is not null, in either half."""
    low = _load_argument(argument) + _step(_IF_EQUAL, 0, 1, 0) + _return(NOTIFY)
    high = _load(_ARGUMENTS_AT + 8 * argument + 4) + _step(_IF_EQUAL, 0, 1, 0) + _return(NOTIFY)
    return low + high + _return(ALLOW)


def _notify_unusual_socket() -> bytes:
    """Ask about any socket that is not local, netlink, TCP, UDP or MPTCP."""
    local = _load_argument(0) + b"".join(
        _step(_IF_EQUAL, family, 0, 1) + _return(ALLOW) for family in (socket.AF_UNIX, socket.AF_NETLINK)
    )
    internet = _step(_IF_EQUAL, socket.AF_INET, 2, 0) + _step(_IF_EQUAL, socket.AF_INET6, 1, 0)
    kinds = _load_argument(1) + _step(_AND, _TYPE_BITS)
    kinds += _step(_IF_EQUAL, _STREAM_AND_DATAGRAM[0], 2, 0) + _step(_IF_EQUAL, _STREAM_AND_DATAGRAM[1], 1, 0)
    return local + internet + _return(NOTIFY) + kinds + _return(NOTIFY) + _notify_unless(2, USUAL_PROTOCOLS)


def _notify_datagrams() -> bytes:
    kind = _load_argument(1) + _step(_AND, _TYPE_BITS)
    return kind + _step(_IF_EQUAL, socket.SOCK_DGRAM, 0, 1) + _return(NOTIFY) + _return(ALLOW)


def _refuse_listener() -> bytes:
    """Say what the kernel says when there is a listener: another one would decide on calls in our place."""
    other = _load_argument(0) + _step(_IF_EQUAL, _SET_MODE_FILTER, 1, 0) + _return(ALLOW)
    return other + _fail_on_bits(1, _NEW_LISTENER, errno.EBUSY)


def _load(offset: int) -> bytes:
    return _step(_LOAD, offset)


def _load_argument(index: int) -> bytes:
    # The low half: each argument looked at is an int to the kernel, which ignores the rest too.
    return _load(_ARGUMENTS_AT + 8 * index)


def _fail(error: int) -> bytes:
    return _return(_ERRNO | error)


def _return(value: int) -> bytes:
    return _step(_RETURN, value)


def _step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)
