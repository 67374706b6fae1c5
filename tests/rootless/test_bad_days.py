"""Odd programs and odd hosts: the secret stays where it is, and what cannot be guarded is not started."""

import errno
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest

from lab.demands import demand
from pratique.backends import decoys, syscalls
from pratique.backends.base import Host
from pratique.backends.rootless.backend import RootlessBackend
from pratique.backends.rootless.capability import EMULATED, TIER, TRACED, ability, capability, copies
from pratique.backends.rootless.capability import tier as tier_here
from pratique.words import Act, Action, Actor
from rootless.ground import Done, compiled, guarded, lay, unguarded
from rootless.plain import home, without_privilege
from rootless.profile import PROFILE, refusing

pytestmark = pytest.mark.usefixtures("guarded_here")


def _tried(how: str, actor: Actor = Actor.PACKAGE) -> tuple[Done, Done]:
    """An odd program without the guard, and with it."""
    program = compiled("odd", "-no-pie", "-fno-pie")

    def both(place: Path) -> tuple[Done, Done]:
        lay(place)
        told = {"SECRET": str(place / ".aws/credentials")}
        return unguarded(place, [str(program), how], told), guarded(place, [str(program), how], told, actor)

    with home() as place:
        return without_privilege(lambda: both(place))


@pytest.mark.parametrize("how", ["hidden", "borrowed"])
def test_refused_however_it_is_tried(how: str) -> None:
    """Neither hiding one's memory nor borrowing a parent's opens a secret; unguarded both read it."""
    control, done = _tried(how)

    assert "got" in control.out or "SECRET" in control.out
    assert "got" not in done.out
    assert "SECRET" not in done.out


def test_five_hundred_threads() -> None:
    """Every thread of a crowd gets its refusal, and the supervisor loses none."""
    control, done = _tried("threads")
    refused, made = done.out.split(" of ")

    assert control.out.startswith("0 of ")
    assert (int(refused), int(made) > 100) == (int(made), True)


def test_foreign_system_calls_end_their_author() -> None:
    """The 32-bit entry has other numbers: a program that takes it dies before it gets anything."""
    control, done = _tried("foreign")

    none = control.signal is not None or control.out.startswith("-")
    demand("this kernel has no 32-bit entry" if none else None)
    assert (done.signal, done.out) == (signal.SIGSYS, "")


def test_rings_do_not_exist() -> None:
    """Everybody who asks for a ring is told that this kernel has none, and goes on without one."""
    _, done = _tried("ring", Actor.MANAGER)

    assert done.out in (f"{errno.ENOSYS}\n", f"{errno.EPERM}\n")  # a container's profile says no by itself


def test_orphans_keep_their_origin_and_are_listed() -> None:
    """A double fork in a session of its own is refused as its package, and is seen to outlive the command."""
    control, done = _tried("orphan")
    told = [event for event in done.events if event.act is Act.FILE_READ]

    assert "got" in control.out
    assert [(event.actor, event.origin, event.action) for event in told] == [(Actor.PACKAGE, 1, Action.DENY)]
    assert len(done.survivors) == 1


def test_who_was_never_seen_has_an_origin() -> None:
    """A fork of a fork that ended unseen is refused as the package whose image it still is."""
    control, done = _tried("unseen")
    told = [event for event in done.events if event.act is Act.FILE_READ]

    assert "got" in control.out
    assert "got" not in done.out
    assert [(event.actor, event.origin, event.action) for event in told] == [(Actor.PACKAGE, 1, Action.DENY)]


def test_a_fork_never_fails_for_a_signal() -> None:
    """A shell's pipeline is forked while its first half ends: the kernel restarts that, and so it must here."""
    control, done = _tried("forks", Actor.HELPER)

    assert (control.out, done.out) == ("got\n", "got\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a setuid program of another's")
def test_setuid_gives_nothing() -> None:
    """A setuid helper runs with its caller's rights, whoever that is in the tree; unguarded it has its owner's."""
    if os.environ.get(PROFILE):
        pytest.skip("the filter that stands for a container's profile takes these rights as well")
    program = compiled("odd", "-no-pie", "-fno-pie")

    def both(place: Path) -> tuple[Done, Done]:
        lay(place)
        told = {"HELPER": str(helper)}
        argv = [str(program), "helper"]
        return unguarded(place, argv, told), guarded(place, argv, told, Actor.COMMAND)

    with home() as place, tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        helper = Path(shutil.copy(program, f"{folder}/helper"))
        helper.chmod(0o4755)
        control, done = without_privilege(lambda: both(place))
    assert (control.out, done.out) == ("1\n", "0\n")


def test_nobody_else_adopts() -> None:
    """Who wants to adopt orphans is told yes, but they come to the supervisor: nobody climbs by a foster parent."""
    control, done = _tried("adopter", Actor.COMMAND)

    assert control.out == "got\n1\n"
    assert done.out == "got\n0\n"


def test_a_second_listener_is_refused() -> None:
    """A supervisor of its own would decide in our place: the kernel's own word for that is EBUSY."""
    _, done = _tried("listener")

    assert done.out == f"{errno.EBUSY}\n"


def test_command_keeps_its_rights() -> None:
    """What the user started himself reads the secret that package code may not: it is handed over."""
    _, done = _tried("borrowed", Actor.COMMAND)

    assert "SECRET" in done.out


def test_a_host_without_landlock_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Landlock is absent the supervisor does every open itself, and it says so (emulated by a filter)."""
    monkeypatch.delenv(TIER)

    def inside() -> tuple[int, int, bool]:
        _without("landlock_create_ruleset", errno.EOPNOTSUPP)
        return tier_here(), ability().landlock, capability().ok

    assert without_privilege(inside) == (EMULATED, 0, True)


def test_a_host_without_copies_of_sockets_is_told_of() -> None:
    """A container that refuses pidfd_getfd is guarded otherwise, and what that leaves open is said."""

    def inside() -> tuple[bool, bool, str]:
        _without("pidfd_getfd", errno.EPERM)
        backend = RootlessBackend(Host(["/nonexistent"], "/", ()))
        backend.start(decoys.policy(), 1)
        backend.close()
        return capability().ok, copies(), " ".join(backend.gaps())

    ok, copied, said = without_privilege(inside)
    assert (ok, copied) == (True, False)
    assert "pidfd_getfd" in said
    assert "datagram" in said


def test_inside_another_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody listens already there can be no second one: the tree is traced, and the secret stays."""
    monkeypatch.delenv(TIER)
    program = compiled("odd", "-no-pie", "-fno-pie")

    def inside(place: Path) -> tuple[int, bool, Done]:
        lay(place)
        _have_a_listener()
        told = {"SECRET": str(place / ".aws/credentials")}
        return tier_here(), capability().ok, guarded(place, [str(program), "borrowed"], told)

    with home() as place:
        chosen, ok, done = without_privilege(lambda: inside(place))
    assert (chosen, ok) == (TRACED, True)
    assert "SECRET" not in done.out
    assert [event.action for event in done.events if event.act is Act.FILE_READ] == [Action.DENY]


def test_a_host_that_allows_neither_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody may trace either, nothing weaker is started, and both reasons are said."""
    monkeypatch.delenv(TIER)

    def inside() -> tuple[bool, str]:
        _have_a_listener()
        _without("ptrace", errno.EPERM)
        return capability().ok, capability().why

    ok, why = without_privilege(inside)
    assert not ok
    assert "listens to this process already" in why
    assert "traced" in why


def _have_a_listener() -> None:
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    syscalls.install_listener(refusing("bpf", errno.EPERM))


def test_death_of_the_supervisor_ends_the_command() -> None:
    """Killed without warning, it leaves nobody free: the command dies with it."""
    with home() as place:
        pid = without_privilege(lambda: _orphaned(place))
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)

    assert not Path(f"/proc/{pid}").exists()


def _orphaned(place: Path) -> int:
    lay(place)
    told, tell = os.pipe()
    supervisor = os.fork()
    if supervisor == 0:
        guarded(place, ["sleep", "60"], {}, meanwhile=lambda: _tell_child(tell))
    pid = int(os.read(told, 16))
    os.kill(supervisor, signal.SIGKILL)
    os.waitpid(supervisor, 0)
    return pid


def _tell_child(tell: int) -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    threads = Path("/proc/self/task").iterdir()
    found = children or [pid for thread in threads for pid in (thread / "children").read_text().split()]
    os.write(tell, found[0].encode().ljust(16))
    time.sleep(30)


def _without(name: str, error: int) -> None:
    """From now on this process has no such call."""
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    syscalls.install_filter(refusing(name, error))
