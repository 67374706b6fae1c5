"""Labels follow processes, whatever these do."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.probed import PLAN, RUN, connect, in_grandchild, labelled, libc, of
from pratique.backends.hooks.probes import Probes
from pratique.backends.hooks.records import ExitRecord, ForkRecord
from pratique.words import Actor, Stage


def in_thread_after_leader_exit(work: Callable[[], int]) -> int:
    """Do the work in a thread whose leader has gone."""

    def later() -> None:
        time.sleep(0.1)
        os._exit(work())

    threading.Thread(target=later).start()
    libc.syscall(60 if os.uname().machine == "x86_64" else 93, 0)
    return 97


def in_thread_exec(address: tuple[str, int]) -> None:
    """Exec from a thread that is not the leader."""
    code = f"import socket,os; os._exit(socket.socket().connect_ex({address!r}))"
    threading.Thread(target=lambda: os.execv(sys.executable, [sys.executable, "-Ic", code])).start()  # noqa: S606
    time.sleep(5)


def in_spawned(address: tuple[str, int]) -> int:
    """A child made with vfork."""
    code = f"import socket,os; os._exit(socket.socket().connect_ex({address!r}))"
    pid = os.posix_spawn(sys.executable, [sys.executable, "-Ic", code], os.environ)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize(
    "escape",
    [
        connect,
        lambda address: in_grandchild(lambda: connect(address)),
        lambda address: in_thread_after_leader_exit(lambda: connect(address)),
        in_thread_exec,
        in_spawned,
    ],
    ids=["itself", "double-fork", "leader-exit", "thread-exec", "vfork"],
)
def test_label_follows_every_descendant(
    probes: Probes, server: tuple[str, int], escape: Callable[[tuple[str, int]], int]
) -> None:
    """Whatever way a process multiplies, what comes of it is refused alike."""
    assert labelled(probes, lambda: escape(server)) == errno.EPERM


def test_unlabelled_processes_are_untouched(probes: Probes, server: tuple[str, int]) -> None:
    """The rest of the host connects as ever, and leaves no record."""
    assert connect(server) == 0
    assert probes.read(0.05) == []


def test_label_ends_with_the_process(probes: Probes) -> None:
    """Fork and exit are told, and no label stays behind."""
    status = labelled(probes, lambda: os.waitpid(os.fork() or os._exit(4), 0)[1] >> 8)
    found = probes.read(0.1)

    assert status == 4
    assert [exit_.status >> 8 for exit_ in of(ExitRecord, found)] == [4, 4]
    assert len(of(ForkRecord, found)) == 1
    assert probes.labelled() == []


def _free_pids() -> list[int]:
    """Numbers that nobody has, a little ahead; near the highest, the kernel begins at 300 again."""
    settings = Path("/proc/sys/kernel")
    last, most = (int((settings / name).read_text(encoding="ascii")) for name in ("ns_last_pid", "pid_max"))
    first = last + 50 if last + 1000 < most else 1000
    return [pid for pid in range(first, first + 500) if not Path("/proc", str(pid)).exists()][:10]


def test_reused_pid_is_no_heir(probes: Probes) -> None:
    """A stale label is dropped when an unlabelled process gets its pid."""
    for _ in range(20):  # others start processes, too: one of them may take the pid
        coming = _free_pids()
        for pid in coming:
            probes.set_label(pid, Actor.PACKAGE, Stage.BUILD, 1)
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(coming[0] - 1), encoding="ascii")
        with subprocess.Popen(["sleep", "1"]) as process:
            label = probes.label_of(process.pid)
            process.kill()
        assert label is None
        if process.pid in coming:
            return
    pytest.fail("none of 20 processes got the pid that was meant for it")


def test_full_map_lets_nothing_run_free() -> None:
    """With no room for a label, parent and child die and the loss is counted."""
    small = Probes(PLAN, RUN, (), label_slots=4)
    small.load()
    small.attach()
    reading, writing = os.pipe()

    def multiply() -> None:
        for _ in range(8):
            if os.fork() == 0:
                time.sleep(1)
                os.write(writing, b"alive")
                os._exit(0)
        time.sleep(5)

    try:
        status = labelled(small, multiply)
        small.read(0.2)
        survivors = small.labelled()
        for pid in survivors:
            os.kill(pid, signal.SIGKILL)
        lost = small.losses().labels
    finally:
        small.close()
    time.sleep(1.2)
    os.set_blocking(reading, False)

    assert status == -signal.SIGKILL
    assert lost == 1
    assert len(survivors) == 3
    with pytest.raises(BlockingIOError):
        os.read(reading, 1)


def test_set_label_only_where_one_is(probes: Probes) -> None:
    """Settling a process that died in between labels nobody."""
    assert not probes.set_label(2**22 - 1, Actor.HELPER, Stage.RESOLVE, 0, must_exist=True)
    assert probes.label_of(2**22 - 1) is None
