"""The seccomp filter, run by a small interpreter for both machines, so that no kernel is needed."""

import errno
import socket
import struct

import pytest

from pratique.backends import seccomp, syscalls
from pratique.errors import GuardError

X86 = 0xC000003E
ARM = 0xC00000B7
NATIVE = {"x86_64": X86, "aarch64": ARM}

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06


def answer(program: bytes, number: int, arch: int, *arguments: int) -> int:
    """What the kernel would do with a call: the classic BPF that the filter uses, and no more."""
    padded = [value & (2**64 - 1) for value in (*arguments, 0, 0, 0, 0, 0, 0)][:6]
    record = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, arch, 0, *padded)
    steps = list(struct.iter_unpack("=HBBI", program))
    accumulator = at = 0
    while True:
        code, then, otherwise, value = steps[at]
        at += 1
        if code == RETURN:
            return value
        if code == LOAD:
            accumulator = struct.unpack_from("<I", record, value)[0]
            continue
        holds = {
            EQUAL: accumulator == value,
            AT_LEAST: accumulator >= value,
            ANY_BIT: bool(accumulator & value),
        }[code]
        at += then if holds else otherwise


def fails(error: int) -> int:
    """The return value that makes a call fail with `error`."""
    return 0x00050000 | error


@pytest.fixture(params=sorted(NATIVE))
def machine(request: pytest.FixtureRequest) -> str:
    """Each machine that has a table."""
    return str(request.param)


REFUSED = [
    ("io_uring_setup", (), errno.ENOSYS),
    ("io_uring_enter", (), errno.ENOSYS),
    ("io_uring_register", (), errno.ENOSYS),
    ("clone3", (), errno.ENOSYS),
    ("bpf", (), errno.EPERM),
    ("perf_event_open", (), errno.EPERM),
    ("userfaultfd", (), errno.EPERM),
    ("open_by_handle_at", (), errno.EPERM),
    ("setns", (), errno.EPERM),
    ("init_module", (), errno.EPERM),
    ("finit_module", (), errno.EPERM),
    ("delete_module", (), errno.EPERM),
    ("kexec_load", (), errno.EPERM),
    ("kexec_file_load", (), errno.EPERM),
    ("mount", (), errno.EPERM),
    ("umount2", (), errno.EPERM),
    ("pivot_root", (), errno.EPERM),
    ("fsopen", (), errno.EPERM),
    ("fsconfig", (), errno.EPERM),
    ("fsmount", (), errno.EPERM),
    ("fspick", (), errno.EPERM),
    ("open_tree", (), errno.EPERM),
    ("open_tree_attr", (), errno.EPERM),
    ("move_mount", (), errno.EPERM),
    ("mount_setattr", (), errno.EPERM),
    ("unshare", (syscalls.CLONE_NEWUSER,), errno.EPERM),
    ("unshare", (syscalls.CLONE_NEWTIME,), errno.EPERM),
    ("unshare", (syscalls.CLONE_NEWNS | 0x200,), errno.EPERM),
    ("clone", (syscalls.CLONE_NEWUSER | 17,), errno.EPERM),
    ("clone", (syscalls.CLONE_NEWPID | 17,), errno.EPERM),
    ("clone", (syscalls.CLONE_NEWNET | 2**40,), errno.EPERM),
    ("socket", (socket.AF_PACKET, 3, 0), errno.EAFNOSUPPORT),
    ("socket", (40, 1, 0), errno.EAFNOSUPPORT),
    ("socket", (38, 5, 0), errno.EAFNOSUPPORT),
    ("socket", (2**32 + socket.AF_PACKET, 3, 0), errno.EAFNOSUPPORT),
    ("seccomp", (1, 8), errno.EBUSY),
    ("seccomp", (1, 8 | 1), errno.EBUSY),
]

ALLOWED = [
    ("unshare", (0x200,)),
    ("clone", (17,)),
    ("clone", (0x4111,)),
    ("clone", (0x3D0F00,)),
    ("socket", (socket.AF_UNIX, 1, 0)),
    ("socket", (socket.AF_INET, 1, 0)),
    ("socket", (socket.AF_INET6, 2, 0)),
    ("socket", (socket.AF_NETLINK, 3, 0)),
    ("seccomp", (1, 1)),
    ("seccomp", (0, 8)),
    ("ptrace", (0, 0, 0, 0)),
    ("landlock_restrict_self", (3, 0)),
    ("pidfd_send_signal", (3, 15)),
]


@pytest.mark.parametrize(("name", "arguments", "error"), REFUSED)
def test_refuses_what_could_undo_the_guard(
    machine: str, name: str, arguments: tuple[int, ...], error: int
) -> None:
    """Each call of the list fails with the error that programs have a fallback for."""
    number = syscalls.numbers(machine)[name]

    assert answer(seccomp.program(machine), number, NATIVE[machine], *arguments) == fails(error)


@pytest.mark.parametrize(("name", "arguments"), ALLOWED)
def test_allows_what_installers_use(machine: str, name: str, arguments: tuple[int, ...]) -> None:
    """Threads, vfork (0x4111), ordinary sockets and sandboxes' own filters still work."""
    number = syscalls.numbers(machine)[name]

    assert answer(seccomp.program(machine), number, NATIVE[machine], *arguments) == seccomp.ALLOW


def test_allows_every_call_it_does_not_name(machine: str) -> None:
    """Nothing is refused by accident, whatever the arguments."""
    named = {
        *seccomp._ABSENT,
        *seccomp._REFUSED,
        *("clone", "unshare", "socket", "seccomp"),
    }
    numbers = syscalls.numbers(machine)
    program = seccomp.program(machine)
    others = set(range(600)) - {numbers[name] for name in named}

    assert {answer(program, number, NATIVE[machine], 2**64 - 1) for number in others} == {seccomp.ALLOW}


@pytest.mark.parametrize("arch", [0x40000003, 0x40000028, 0, X86 ^ 1])
def test_kills_calls_of_another_machine(machine: str, arch: int) -> None:
    """A foreign call number means another call: the tree's author dies instead of being misread."""
    assert answer(seccomp.program(machine), 1, arch) == seccomp.KILL_PROCESS


@pytest.mark.parametrize("number", [0x40000000, 0x40000000 | 165, -1])
def test_answers_x32_as_absent(number: int) -> None:
    """The x32 numbers reach the same calls by another door, which stays shut."""
    assert answer(seccomp.program("x86_64"), number, X86) == fails(errno.ENOSYS)


def test_says_which_machines_it_knows() -> None:
    """A machine without a table is an error with its mend, never an empty filter."""
    with pytest.raises(GuardError, match="riscv64"):
        seccomp.program("riscv64")
