"""Parts of the rootless backend that need no kernel: zones, addresses, messages, and the filter."""

import errno
import os
import socket
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.backends import seccomp, syscalls
from pratique.backends.rootless import addresses, messages, tasks
from pratique.backends.rootless.tasks import Label, Task
from pratique.backends.rootless.zones import Zones
from pratique.words import Actor, Stage

X86 = 0xC000003E
LOAD, EQUAL, AT_LEAST, ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
LABEL = Label(Actor.PACKAGE, Stage.BUILD, 1)


def answer(name: str, *arguments: int) -> int:
    """What the kernel would do with a call under the listening filter."""
    padded = [value & (2**64 - 1) for value in (*arguments, 0, 0, 0, 0, 0, 0)][:6]
    record = struct.pack("<IIQ6Q", syscalls.numbers("x86_64")[name], X86, 0, *padded)
    steps = list(struct.iter_unpack("=HBBI", seccomp.listening("x86_64")))
    accumulator = at = 0
    while True:
        code, then, otherwise, value = steps[at]
        at += 1
        if code == RETURN:
            return int(value)
        if code == LOAD:
            accumulator = struct.unpack_from("<I", record, value)[0]
        elif code == AND:
            accumulator &= value
        else:
            holds = {EQUAL: accumulator == value, AT_LEAST: accumulator >= value}.get(
                code, bool(accumulator & value)
            )
            at += then if holds else otherwise


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("openat", ()),
        ("execve", ()),
        ("connect", ()),
        ("clone", (syscalls.CLONE_NEWUSER | 17,)),
        ("unshare", (syscalls.CLONE_NEWNS,)),
        ("sendto", (3, 0, 0, 0, 0x7FFF00000000)),
        ("sendto", (3, 0, 0, 0, 0xFFFF)),
        ("ptrace", (0x4206,)),
        ("socket", (socket.AF_PACKET, socket.SOCK_RAW)),
        ("socket", (socket.AF_INET, socket.SOCK_RAW)),
        ("socket", (socket.AF_INET, socket.SOCK_DGRAM, 1)),
        ("mount", ()),
        ("io_uring_setup", ()),
    ],
)
def test_asked_about(name: str, arguments: tuple[int, ...]) -> None:
    """Whatever decides something is handed over to the supervisor."""
    assert answer(name, *arguments) == seccomp.NOTIFY


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("fork", ()),
        ("clone", (17,)),
        ("clone", (syscalls.CLONE_THREAD | 0x100,)),
        ("sendto", (3, 0, 0, 0, 0)),
        ("ptrace", (0,)),
        ("socket", (socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, 6)),
        ("socket", (socket.AF_INET6, socket.SOCK_DGRAM)),
        ("socket", (socket.AF_UNIX, socket.SOCK_SEQPACKET)),
        ("socket", (socket.AF_NETLINK, socket.SOCK_RAW)),
        ("unshare", (0x400,)),
        ("prctl", (15,)),
    ],
)
def test_not_asked_about(name: str, arguments: tuple[int, ...]) -> None:
    """What everybody does all the time, and can do no harm, costs nothing."""
    assert answer(name, *arguments) == seccomp.ALLOW


def test_answered_by_the_filter_itself() -> None:
    """A second listener, the mark of the run, and adopting orphans need no supervisor."""
    assert answer("seccomp", 1, 8) == 0x50000 | errno.EBUSY
    assert answer("prctl", seccomp.MARK_OPTION) == 0x50000 | seccomp.MARK_ERRNO
    assert answer("prctl", syscalls.PR_SET_CHILD_SUBREAPER, 1) == 0x50000


def test_free_beside_and_grey_above(tmp_path: Path) -> None:
    """Siblings of a guarded place are free, the place is not, and what is made above it later is grey."""
    for folder in ("home/.aws", "home/papers/deep", "home/.config/old"):
        (tmp_path / folder).mkdir(parents=True)
    home = f"{tmp_path}/home"
    zones = Zones([f"{home}/.aws/credentials"], [f"{home}/.config/autostart"])

    assert zones.is_free(f"{home}/papers/deep/file", read=True, write=True)
    assert zones.is_free(f"{home}/.config/old/file", read=True, write=True)
    assert zones.is_free(f"{home}/.config/new", read=True, write=False)
    assert not zones.is_free(f"{home}/.config/autostart", read=False, write=True)
    assert not zones.is_free(f"{home}/.aws/credentials", read=True, write=False)
    assert not zones.is_free(f"{home}/new", read=True, write=False)


def test_a_directory_made_anew_is_grey(tmp_path: Path) -> None:
    """A rule is about an object: another one with its name lies under none."""
    (tmp_path / "papers").mkdir()
    (tmp_path / "secret").touch()
    zones = Zones([f"{tmp_path}/secret"], [])
    before = zones.is_free(f"{tmp_path}/papers/file", read=True, write=True)
    (tmp_path / "papers").rename(tmp_path / "old")
    (tmp_path / "papers").mkdir()

    assert before
    assert not zones.is_free(f"{tmp_path}/papers/file", read=True, write=True)


def test_nothing_is_guarded_in_audit(tmp_path: Path) -> None:
    """A run that only records refuses nothing, so nothing is done in anybody's place."""
    zones = Zones([str(tmp_path)], [str(tmp_path)], free=True)

    assert zones.is_free(str(tmp_path), read=True, write=True)
    assert zones.ruleset() is None


@given(st.binary(max_size=160))
def test_addresses_of_hostile_bytes(raw: bytes) -> None:
    """Any bytes are an address or none; the bytes that are used are those that were judged."""
    found = addresses.parse(raw)

    assert found is None or found.raw == raw


def test_addresses() -> None:
    """Families are told apart, and mapped, unix and abstract addresses are read as the kernel reads them."""
    four = struct.pack("=H", socket.AF_INET) + b"\x01\xbb" + socket.inet_aton("203.0.113.9") + bytes(8)
    six = (
        struct.pack("=H", socket.AF_INET6)
        + b"\x00\x35"
        + bytes(4)
        + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    )

    assert addresses.parse(four)[2:4] == ("203.0.113.9", 443)  # type: ignore[index]
    assert addresses.parse(six)[2:4] == ("2001:db8::1", 53)  # type: ignore[index]
    assert addresses.parse(b"\x01\x00/run/x\0junk")[4] == "/run/x"  # type: ignore[index]
    assert addresses.parse(b"\x01\x00\0name")[5] == b"name"  # type: ignore[index]


class _Memory(Task):
    """A task whose memory is a bytes object at address 0x1000."""

    def __init__(self, memory: bytes) -> None:
        super().__init__(1, 0, LABEL, -1)
        self._bytes = memory

    def read(self, address: int, length: int) -> bytes | None:
        at = address - 0x1000
        return self._bytes[at : at + length] or None if 0 <= at < len(self._bytes) else None


@given(st.binary(max_size=400), st.integers(0, 3))
def test_messages_of_hostile_bytes(memory: bytes, index: int) -> None:
    """Whatever a header says of itself, a message is copied whole and bounded, or not at all."""
    found = messages.read_message(_Memory(memory), 0x1000, index)

    assert found is None or len(found.body) <= 1 << 20


@given(st.binary(max_size=200))
def test_control_messages_of_hostile_bytes(control: bytes) -> None:
    """Rows of control messages never reach beyond their buffer, and the walk ends."""
    rows = messages._rows(control)

    assert sum(len(data) for _, _, data in rows) <= len(control)


def test_a_message_is_copied() -> None:
    """Name, both parts of the body and the control bytes arrive as the caller laid them."""
    parts = b"hello" + b"world"
    vectors = struct.pack("=QQQQ", 0x1000, 5, 0x1005, 5)
    header = struct.pack("=QI4xQQQQi4x", 0x1000, 3, 0x100A, 2, 0, 0, 0)
    found = messages.read_message(_Memory(parts + vectors + header), 0x1000 + len(parts + vectors))

    assert found is not None
    assert (found.name, found.body, found.control) == (b"hel", b"helloworld", b"")


@given(st.text(max_size=5000), st.integers(0, 4096))
def test_strings_end_or_are_none(text: str, offset: int) -> None:
    """A string is read to its end wherever it lies on its page; one without end is none."""
    raw = text.encode("utf-8", "surrogatepass").replace(b"\0", b"?")
    found = _Memory(bytes(offset) + raw + b"\0").text(0x1000 + offset)

    assert found is None or found.encode("utf-8", "surrogateescape") == raw
    assert found is not None or len(raw) > 4000


@pytest.mark.parametrize("number", [errno.ESRCH, errno.EINVAL])
def test_an_orphan_that_somebody_else_reaped_is_gone(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listed, and gone when it is held: older kernels call that an invalid number, and nothing ends for it."""

    def gone(_: int) -> int:
        raise OSError(number, "gone")

    monkeypatch.setattr(tasks, "children", lambda _: iter([4_000_000]))
    monkeypatch.setattr(os, "pidfd_open", gone)
    assert tasks.Tasks(os.getpid()).adopt() == []
