"""Calls that the static layer's filter answers leave evidence, and nothing of the guard outlives it."""

import ctypes
import errno
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lab.guard import PRATIQUE, guarded
from lab.probed import labelled, of
from pratique.backends import seccomp, syscalls
from pratique.backends.hooks import translate
from pratique.backends.hooks.plan import CODE_GROUPS, Cell, Plan
from pratique.backends.hooks.probes import Probes
from pratique.backends.hooks.records import CallRecord
from pratique.words import Act, Action, Actor, Level, Stage

_RAW = CODE_GROUPS.index("net.raw-socket") + 1
_LIMIT = 2.0


def _plan(*, audit: bool = False) -> Plan:
    denied = ((Act.KERNEL_BPF, 0), (Act.MOUNT, 0), (Act.NS_ENTER, 0), (Act.NET_CONNECT, _RAW))
    cells = tuple(
        Cell(Stage.BUILD, Actor.PACKAGE, act, group, False, Action.DENY, 1, False) for act, group in denied
    )
    return Plan(CODE_GROUPS, ("only-rule",), (), (), cells, audit)


@pytest.fixture
def probes() -> Iterator[Probes]:
    """The programs, attached, with the plan above."""
    made = Probes(_plan(), 79, ())
    made.load()
    made.attach()
    yield made
    made.close()


def _filtered(work: Callable[[], object]) -> Callable[[], object]:
    def inside() -> object:
        syscalls.install_filter(seccomp.program())
        return work()

    return inside


def _bpf() -> int:
    return syscalls.call("bpf", 0, ctypes.create_string_buffer(128), 127)


def _packet() -> int:
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW).fileno()


@pytest.mark.parametrize(
    ("work", "act", "request_", "error"),
    [
        (_bpf, Act.KERNEL_BPF, "bpf", errno.EPERM),
        (
            lambda: syscalls.call("perf_event_open", 0, 0, 0, 0, 0),
            Act.KERNEL_BPF,
            "perf_event_open",
            errno.EPERM,
        ),
        (lambda: syscalls.mount("none", "/mnt", 0), Act.MOUNT, "mount", errno.EPERM),
        (lambda: syscalls.call("setns", 0, 0), Act.NS_ENTER, "setns", errno.EPERM),
        (lambda: syscalls.unshare(syscalls.CLONE_NEWUSER), Act.NS_ENTER, "unshare", errno.EPERM),
        (
            lambda: syscalls.call("clone", syscalls.CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0),
            Act.NS_ENTER,
            "clone",
            errno.EPERM,
        ),
        (_packet, Act.NET_CONNECT, "socket(AF_PACKET)", errno.EAFNOSUPPORT),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refused_call_is_a_denied_event(
    probes: Probes, work: Callable[[], object], act: Act, request_: str, error: int
) -> None:
    """The event names the call, the error, and the rule that speaks of it; the author goes on."""
    assert labelled(probes, _filtered(work)) == error
    (record,) = of(CallRecord, probes.read(0.1))
    event = translate.event(record, _plan())

    assert event is not None
    assert (event.act, event.action, event.level) == (act, Action.DENY, Level.ENFORCED)
    assert (event.rule, event.target) == ("only-rule", {"request": request_, "errno": error})


def test_a_refused_ring_is_only_recorded(probes: Probes) -> None:
    """Every node asks for one and goes on without it: no rule is drawn."""
    parameters = ctypes.create_string_buffer(120)
    assert labelled(probes, _filtered(lambda: syscalls.call("io_uring_setup", 1, parameters))) == errno.ENOSYS

    (record,) = of(CallRecord, probes.read(0.1))
    assert (record.head.act, record.head.action, record.head.rule) == (Act.RING, Action.ALLOW, 0)


def test_everyday_fallbacks_leave_nothing(probes: Probes) -> None:
    """Clone3 of libc, families that libraries try, and harmless unshares are no evidence of anything."""

    def work() -> None:
        with suppress(OSError):
            syscalls.call("clone3", 0, 0)
        with suppress(OSError):
            socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)
        os.waitpid(os.fork() or os._exit(0), 0)
        syscalls.unshare(0x400)  # CLONE_FILES
        subprocess.run(["true"], check=True)

    assert labelled(probes, _filtered(work)) == 0
    assert of(CallRecord, probes.read(0.1)) == []


def test_where_no_filter_is_success_counts(probes: Probes) -> None:
    """A call that goes through costs the life; in audit mode it is recorded with what would have been."""
    newuts = syscalls.CLONE_NEWUTS
    assert labelled(probes, lambda: syscalls.unshare(newuts)) == -signal.SIGKILL
    probes.replace(_plan(audit=True))
    assert labelled(probes, lambda: syscalls.unshare(newuts)) == 0

    heads = [record.head for record in of(CallRecord, probes.read(0.1))]
    assert [(head.action, head.would, head.level) for head in heads] == [
        (Action.KILL, None, Level.KILLED_AFTER),
        (Action.AUDIT, Action.DENY, None),
    ]


def test_managers_are_not_watched(probes: Probes) -> None:
    """What a manager tries is its own business."""
    assert labelled(probes, _filtered(_bpf), Actor.MANAGER, origin=0) == errno.EPERM
    assert of(CallRecord, probes.read(0.1)) == []


# The end of the guard


def _programs_of(pid: int) -> set[int]:
    """Ids of the kernel programs that a process holds, by itself or by their links."""
    found = set()
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        with suppress(OSError):
            lines = entry.read_text().splitlines()
            found |= {int(line.split()[1]) for line in lines if line.startswith("prog_id:")}
    return found


def _loaded(programs: set[int]) -> set[int]:
    """Those that the kernel still has."""
    shown = subprocess.run(
        ["bpftool", "prog", "show"], capture_output=True, text=True, check=True, timeout=20
    )
    return programs & {int(line.split(":")[0]) for line in shown.stdout.splitlines() if line[:1].isdigit()}


def _gone(programs: set[int]) -> bool:
    deadline = time.monotonic() + _LIMIT
    while _loaded(programs):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _runs(pid: str) -> bool:
    """Alive, and not only waiting for somebody to take its status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    "end", [signal.SIGKILL, signal.SIGTERM, None], ids=["killed", "terminated", "by itself"]
)
def test_no_program_outlives_the_guard(guard: None, tmp_path: Path, end: signal.Signals | None) -> None:
    """However the agent ends, its programs are out of the kernel within two seconds, and so is its tree."""
    mark = tmp_path / "started"
    command = ["sh", "-c", f"echo $$ > {mark}; exec sleep {1 if end is None else 60}"]
    with subprocess.Popen(guarded(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as agent:
        deadline = time.monotonic() + 20
        while not mark.exists() or not mark.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        programs = _programs_of(agent.pid)
        assert len(_loaded(programs)) > 10
        if end is not None:
            agent.send_signal(end)
        agent.wait(20)
        ended = time.monotonic()
        assert _gone(programs), f"{_loaded(programs)} after {time.monotonic() - ended:.1f} s"

    assert not _runs(mark.read_text().strip())


def test_the_command_holds_nothing_of_the_guard(guard: None) -> None:
    """No descriptor of the agent passes the exec: neither programs, links nor maps."""
    done = subprocess.run(
        [str(PRATIQUE), "run", "--quiet", "--", "ls", "-l", "/proc/self/fd"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert "bpf" not in done.stdout
    assert "fanotify" not in done.stdout
