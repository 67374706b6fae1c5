"""What the returns of system calls tell of fresh code."""

import ctypes
import errno
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.probed import NUMBER, PLAN, RUN, labelled, libc, of
from pratique import resources
from pratique.backends import landlock, syscalls
from pratique.backends.hooks import translate
from pratique.backends.hooks.probes import Probes
from pratique.backends.hooks.records import FileRecord, IpcRecord, MemoryRecord
from pratique.words import Act, Action, Actor, Level

_USER = 61_234
"""Nobody else's."""


@pytest.mark.parametrize(
    ("actor", "watched"),
    [
        (Actor.COMMAND, False),
        (Actor.MANAGER, False),
        (Actor.HELPER, False),
        (Actor.PROJECT, True),
        (Actor.PACKAGE, True),
    ],
)
def test_calls_are_watched_from_the_first_fresh_label_on(
    probes: Probes, tmp_path: Path, actor: Actor, watched: bool
) -> None:
    """Before it the host pays nothing for them; the link is handed on once, to whoever outlives the agent."""
    handed: list[int] = []
    probes.also_held = handed.append

    for name in ("one", "two"):
        labelled(probes, (tmp_path / name).touch, actor)

    assert ("on_return" in probes.fds()) == watched
    assert handed == ([probes.fds()["on_return"]] if watched else [])
    assert probes.was_written(str(tmp_path / "two")) == watched
    assert bool(probes.counts()["open"]) == watched


def test_an_upgrade_in_mid_run_changes_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is loaded later comes from the file that was read at the start, whatever lies there now."""
    copy = shutil.copytree(resources.probes(), tmp_path / "probes")
    monkeypatch.setattr(resources, "probes", lambda: copy)
    made = Probes(PLAN, RUN, ())
    try:
        made.load()
        made.attach()
        shutil.rmtree(copy)
        labelled(made, (tmp_path / "written").touch)
        known = made.was_written(str(tmp_path / "written"))
    finally:
        made.close()

    assert known


def test_what_a_manager_does_is_not_judged_beside_a_package(probes: Probes, tmp_path: Path) -> None:
    """Also with the calls watched, only fresh code's opens are counted and its files remembered."""
    labelled(probes, (tmp_path / "package").touch)
    before = probes.counts()["open"]
    labelled(probes, (tmp_path / "manager").touch, Actor.MANAGER)

    assert probes.was_written(str(tmp_path / "package"))
    assert not probes.was_written(str(tmp_path / "manager"))
    assert probes.counts()["open"] == before


# Files, unix sockets, memory


def test_written_files_are_known_by_inode(probes: Probes, tmp_path: Path) -> None:
    """Also under another name; what only others wrote is not."""
    labelled(probes, lambda: (tmp_path / "new").write_text("x"))
    (tmp_path / "other").write_text("x")
    (tmp_path / "new").rename(tmp_path / "moved")

    assert probes.was_written(str(tmp_path / "moved"))
    assert not probes.was_written(str(tmp_path / "other"))
    assert not probes.was_written(str(tmp_path / "missing"))


def test_refusals_by_the_system_are_evidence(probes: Probes, tmp_path: Path) -> None:
    """EACCES, EPERM and the like come with act, paths and error."""
    tmp_path.chmod(0o755)
    inside = tmp_path / "inside"
    inside.mkdir(mode=0o755)
    (inside / "a").write_text("x")

    def work() -> None:
        os.setuid(65534)
        os.chdir("/")
        for attempt in (
            lambda: (inside / "a").rename(inside / "b"),
            (inside / "a").unlink,
            (inside / "c").mkdir,
            lambda: os.link(inside / "a", inside / "d"),
            lambda: (inside / "e").symlink_to("t"),
            lambda: os.truncate(inside / "a", 0),
            lambda: (inside / "a").chmod(0o700),
            lambda: os.open(inside / "a", os.O_WRONLY),
            lambda: os.open(inside / "f", os.O_CREAT | os.O_WRONLY),
        ):
            try:
                attempt()
            except PermissionError:
                continue
            os._exit(50)

    assert labelled(probes, work) == 0
    found = of(FileRecord, probes.read(0.1))
    acts = [record.head.act for record in found]
    assert acts == [
        Act.FILE_RENAME,
        Act.FILE_REMOVE,
        Act.FILE_CREATE,
        Act.FILE_LINK,
        Act.FILE_LINK,
        Act.FILE_TRUNCATE,
        Act.FILE_SETATTR,
        Act.FILE_WRITE,
        Act.FILE_CREATE,
    ]
    assert all(record.error in {errno.EACCES, errno.EPERM} for record in found)
    assert (found[0].path, found[0].to) == (str(inside / "a"), str(inside / "b"))
    assert found[-1].path == str(inside / "f")


def test_removals_that_succeed_are_told(probes: Probes, tmp_path: Path) -> None:
    """The mass-removal rule counts them; changes of files that were there are told as well."""
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text("x")

    def work() -> None:
        (tmp_path / "a").unlink()
        (tmp_path / "b").rename(tmp_path / "d")
        (tmp_path / "c").write_text("")
        (tmp_path / "new").write_text("")

    labelled(probes, work)
    found = of(FileRecord, probes.read(0.1))

    assert [(record.head.act, Path(record.path).name, record.error) for record in found] == [
        (Act.FILE_REMOVE, "a", 0),
        (Act.FILE_RENAME, "b", 0),
        (Act.FILE_TRUNCATE, "c", 0),
    ]
    assert Path(found[1].to).name == "d"


def test_unix_peer_is_the_kernels_own(probes: Probes, tmp_path: Path) -> None:
    """A listed socket kills whoever reaches it, by any name, before the first send."""
    path, alias = tmp_path / "broker", tmp_path / "alias"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(8)
        alias.symlink_to(path)

        def work() -> None:
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(alias))
            client.send(b"sent")

        free = labelled(probes, work)
        assert probes.add_ipc_key(str(alias), "ipc.brokers")
        held = labelled(probes, work)
        first, _ = server.accept()
        second, _ = server.accept()
        with first, second:
            received = (first.recv(9), second.recv(9))
    records = of(IpcRecord, probes.read(0.1))

    assert (free, held) == (0, -signal.SIGKILL)
    assert received == (b"sent", b"")
    assert [record.name for record in records] == [str(path)] * 2
    assert records[1].head.level is Level.KILLED_AFTER
    assert records[1].head.group == NUMBER["ipc.brokers"]


def test_refused_unix_connect_is_evidence(probes: Probes, tmp_path: Path) -> None:
    """A masked broker shows as refused or absent."""
    labelled(probes, lambda: socket.socket(socket.AF_UNIX).connect(str(tmp_path / "none")))
    (record,) = of(IpcRecord, probes.read(0.1))

    assert (record.name, record.error) == (str(tmp_path / "none"), errno.ENOENT)


def ptrace_attach(pid: int) -> int:
    """The errno of PTRACE_ATTACH."""
    return 0 if libc.ptrace(16, pid, 0, 0) == 0 else ctypes.get_errno()


def vm_read(pid: int) -> int:
    """Read one byte of nobody's memory: the attempt counts."""
    libc.process_vm_readv(pid, None, 0, None, 0, 0)
    return 0


def getfd(pid: int) -> int:
    """Take a descriptor out of another process."""
    libc.syscall(438, os.pidfd_open(pid), 0, 0)
    return 0


@pytest.mark.parametrize(
    ("reach", "how"),
    [
        (lambda pid: len(Path(f"/proc/{pid}/environ").read_bytes()) and 0, "environ"),
        (lambda pid: os.open(f"/proc/{pid}/mem", os.O_RDONLY) and 0, "mem"),
        (lambda pid: os.open(f"/proc/{pid}/task/{pid}/mem", os.O_RDWR) and 0, "mem"),
        (ptrace_attach, "ptrace"),
        (vm_read, "process_vm_readv"),
        (getfd, "pidfd_getfd"),
    ],
)
def test_others_memory_costs_the_life(probes: Probes, reach: Callable[[int], int], how: str) -> None:
    """Reaching outside the origin kills; reaching into the own tree does not."""
    with subprocess.Popen(["sleep", "30"]) as victim:
        status = labelled(probes, lambda: reach(victim.pid))
        victim.kill()
    (record,) = of(MemoryRecord, probes.read(0.1))

    def inside() -> int:
        child = os.fork() or time.sleep(30)
        try:
            return reach(child or 0)
        finally:
            os.kill(child or 0, signal.SIGKILL)

    assert status == -signal.SIGKILL
    assert (record.victim, record.how) == (victim.pid, how)
    assert record.head.group == NUMBER["proc.outside"]
    assert labelled(probes, inside) == 0
    assert labelled(probes, lambda: len(Path("/proc/self/environ").read_bytes()) and 0) == 0


def refused(reach: Callable[[], object], user: int = 0, *, domain: bool = True) -> Callable[[], int]:
    """Work of `user`, in the Landlock domain of a wrapped run; it ends well where the reach is refused."""
    ruleset = landlock.domain()[0] if domain else None

    def work() -> int:
        if ruleset is not None:
            syscalls.landlock_restrict(ruleset)
        os.setuid(user)
        try:
            reach()
        except PermissionError:
            return 0
        return 50

    return work


def told(probes: Probes) -> list[tuple[object, Action, Level | None]]:
    """Whose memory the findings are about, and what came of it."""
    events = [translate.event(record, PLAN) for record in of(MemoryRecord, probes.read(0.1))]
    return [(event.target["pid"], event.action, event.level) for event in events if event]


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR])
@pytest.mark.parametrize(
    ("path", "count"), [("/proc/{0}/mem", 1), ("/proc/{0}/task/{0}/mem", 1), ("/proc/{0}/root/mem", 0)]
)
def test_memory_that_landlock_refuses_is_told(probes: Probes, path: str, count: int, flags: int) -> None:
    """The layer refuses before there is a file: by the path it is told all the same who tried what."""
    with subprocess.Popen(["sleep", "30"]) as victim:
        status = labelled(probes, refused(lambda: os.open(path.format(victim.pid), flags)))
        found = told(probes)
        victim.kill()

    assert status == 0
    assert found == [(victim.pid, Action.DENY, Level.ENFORCED)] * count


def test_a_refusal_is_told_where_permissions_would_have_let_it_through(probes: Probes) -> None:
    """The user's own process: without the layer its open succeeds, and costs the life. Another user's: never."""
    with (
        subprocess.Popen(["sleep", "30"], user=_USER) as own,
        subprocess.Popen(["sleep", "30"]) as other,
    ):
        for pid, domain in ((own.pid, False), (own.pid, True), (other.pid, True), (other.pid, False)):
            labelled(probes, refused(Path(f"/proc/{pid}/environ").read_bytes, _USER, domain=domain))
        found = told(probes)
        own.kill()
        other.kill()

    killed, denied = (Action.KILL, Level.KILLED_BEFORE), (Action.DENY, Level.ENFORCED)
    assert found == [(own.pid, *killed), (own.pid, *denied)]


def test_asking_for_everybodys_environment_is_no_attempt(probes: Probes) -> None:
    """As `ps e` does, by a user who runs nothing else: refused for each, and nobody is blamed."""

    def sweep() -> None:
        refusals = 0
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                (folder / "environ").read_bytes()
            except PermissionError:
                refusals += 1
            except OSError:  # gone
                continue
        os._exit(0 if refusals else 50)

    assert labelled(probes, refused(sweep, _USER)) == 0
    assert told(probes) == []


def test_a_refusal_in_the_own_tree_is_nobodys_business(probes: Probes) -> None:
    """A child of another user, which permissions shut, is no process outside."""

    def work() -> int:
        waiting, going = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(going)
            os.setuid(_USER + 1)
            os.read(waiting, 1)  # until the parent ends
            os._exit(0)
        return refused(Path(f"/proc/{child}/environ").read_bytes, _USER)()

    assert labelled(probes, work) == 0
    assert of(MemoryRecord, probes.read(0.1)) == []
