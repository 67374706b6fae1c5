"""Tier 1: what namespaces add to tier 2, each with the same command without the guard; and where there are none."""

import ctypes
import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from lab.demands import demand
from pratique.backends import syscalls
from pratique.backends.base import Host
from pratique.backends.rootless.backend import RootlessBackend
from pratique.backends.rootless.capability import ENCLOSED, LANDLOCK, TIER, unenclosed
from pratique.backends.rootless.capability import tier as tier_here
from pratique.words import Actor
from rootless.ground import Done, compiled, guarded, lay, unguarded
from rootless.plain import home, interpreter, without_privilege
from rootless.profile import refusing

pytestmark = pytest.mark.usefixtures("guarded_here")

_IPC_CREAT, _IPC_RMID, _SIZE = 0o1000, 0, 4096
_libc = ctypes.CDLL(None, use_errno=True)

_LOOK = """
import os
input()
try:
    print(len(open(f"/proc/{os.environ['OUTSIDER']}/cmdline", "rb").read()) > 0)
except OSError as error:
    print(error.errno)
"""
_SHARE = """
import ctypes, os
input()
print(ctypes.CDLL(None).shmget(int(os.environ["KEY"]), 0, 0) >= 0)
"""
_NUMBERS = """
import os, subprocess, time
input()
own = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(own["Pid"]) == os.getpid() == int(os.readlink("/proc/self")))
child = subprocess.Popen(["sleep", "9"], env={"CHILD": "yes"})
for _ in range(500):  # the kernel lays it in the middle of the exec
    if found := open(f"/proc/{child.pid}/environ").read().strip(chr(0)):
        break
    time.sleep(0.01)
print(found)
child.kill()
try:
    open("/proc/1/environ").read()
except OSError as error:
    print(error.errno)
"""
_MOVE = """
import os
input()
open("one", "w").write("moved")
os.rename("one", os.path.abspath("two"))
os.link(os.path.abspath("two"), "three")
print(open("three").read())
os.unlink("three")
"""
_ORPHANS = "setsid sleep {0} & sleep {0}"


@pytest.fixture(autouse=True)
def tier(monkeypatch: pytest.MonkeyPatch) -> str:
    """Tier 1, where it can be had."""
    demand(without_privilege(unenclosed) or None)
    monkeypatch.setenv(TIER, str(ENCLOSED))
    return str(ENCLOSED)


def _tried(
    body: str, told: Callable[[], dict[str, str]] = dict, actor: Actor = Actor.PACKAGE
) -> tuple[Done, Done]:
    """A program without the guard, and as that actor with it; `told` makes its environment, without privilege."""
    python = interpreter()

    def both(place: Path) -> tuple[Done, Done]:
        lay(place)
        environment = told()
        argv = [python, "-c", body]
        return unguarded(place, argv, environment), guarded(place, argv, environment, actor)

    with home() as place:
        return without_privilege(lambda: both(place))


def test_it_is_this_tier() -> None:
    """What follows is of tier 1, and it says so."""
    chosen, said = without_privilege(_chosen)

    assert chosen == ENCLOSED
    assert said.startswith("tier 1 of docs/rootless.md")


def test_nobody_outside_has_a_number() -> None:
    """The command line of the user's other processes is not to be read, not even by the command itself."""
    control, done = _tried(_LOOK, lambda: {"OUTSIDER": str(os.getpid())}, Actor.COMMAND)

    assert control.out == "True\n"
    assert done.out == f"{errno.ENOENT}\n"


def test_numbers_mean_what_they_say() -> None:
    """A process finds itself and its children in /proc by the numbers it knows; the first one is out of reach."""
    control, done = _tried(_NUMBERS)

    assert control.out.startswith("True\nCHILD=yes\n")
    assert done.out == f"True\nCHILD=yes\n{errno.EACCES}\n"


def test_no_shared_memory_of_others() -> None:
    """A System V segment of the user's other processes is not there."""
    key = int.from_bytes(os.urandom(3), "big") + 1
    made: list[int] = []

    def segment() -> dict[str, str]:
        made.append(_libc.shmget(key, _SIZE, _IPC_CREAT | 0o600))
        return {"KEY": str(key)}

    try:
        control, done = _tried(_SHARE, segment)
    finally:
        _libc.shmctl(_libc.shmget(key, 0, 0), _IPC_RMID, None)
    assert (control.out, done.out) == ("True\n", "False\n")


def test_names_and_paths_are_of_one_tree() -> None:
    """What is done here and what is done inside can be moved and linked into each other."""
    control, done = _tried(_MOVE, actor=Actor.MANAGER)

    assert (control.out, done.out) == ("moved\n", "moved\n")


def test_the_status_is_the_commands() -> None:
    """Exit statuses and signals come through the first process inside as they were."""

    def ends(place: Path) -> list[tuple[int | None, int | None]]:
        lay(place)
        scripts = ("exit 7", "kill -9 $$", "true")
        found = [guarded(place, ["sh", "-c", script], {}, Actor.COMMAND) for script in scripts]
        found.append(guarded(place, ["./nothing"], {}, Actor.COMMAND))
        return [(done.status, done.signal) for done in found]

    with home() as place:
        assert without_privilege(lambda: ends(place)) == [(7, None), (None, 9), (0, None), (127, None)]


def test_death_of_the_supervisor_ends_everybody() -> None:
    """Killed without warning, it takes along who left the session of the command; without the guard he lives on."""
    word = f"61.{os.getpid()}"
    with home() as place:
        control = without_privilege(lambda: _left_alive(place, word))
        left = without_privilege(lambda: _orphaned(place, f"{word}1"))

    assert len(control) == 2
    assert left == []


def _left_alive(place: Path, word: str) -> list[int]:
    """Who is left without the guard when the one who started it all is killed."""
    with subprocess.Popen(["sh", "-c", _ORPHANS.format(word)], cwd=place) as shell:
        _until(lambda: len(_named(word)) == 2)
        shell.kill()
    left = _named(word)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return left


def _orphaned(place: Path, word: str) -> list[int]:
    told, tell = os.pipe()
    supervisor = os.fork()
    if supervisor == 0:
        guarded(place, ["sh", "-c", _ORPHANS.format(word)], {}, meanwhile=lambda: _tell(tell, word))
    os.read(told, 1)
    os.kill(supervisor, signal.SIGKILL)
    os.waitpid(supervisor, 0)
    _until(lambda: not _named(word))
    return _named(word)


def _tell(tell: int, word: str) -> None:
    if len(_named(word)) == 2:
        os.write(tell, b"t")
        time.sleep(30)


def test_the_end_is_everybodys() -> None:
    """Who outlives the command is listed, and gone when the run is."""
    program = compiled("odd", "-no-pie", "-fno-pie")

    def inside(place: Path) -> tuple[int, list[int]]:
        lay(place)
        done = guarded(place, [str(program), "orphan"], {"SECRET": str(place / ".aws/credentials")})
        return len(done.survivors), [pid for pid in done.survivors if Path(f"/proc/{pid}").exists()]

    with home() as place:
        assert without_privilege(lambda: inside(place)) == (1, [])


@pytest.mark.parametrize("how", ["host", "filter"])
def test_a_host_without_namespaces_is_told_of(how: str) -> None:
    """Where none can be had, by the host's setting or by a container's profile, tier 2 guards and a line says why."""

    def inside() -> tuple[int, str]:
        if how == "filter":
            syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
            syscalls.install_filter(refusing("unshare", errno.EPERM))
        else:
            syscalls.unshare(syscalls.CLONE_NEWUSER)
            Path("/proc/sys/user/max_user_namespaces").write_text("0", encoding="ascii")
        return _chosen()

    chosen, said = without_privilege(inside)
    assert chosen == LANDLOCK
    assert "tier 2 of docs/rootless.md" in said
    assert "tier 1 cannot be had here: namespaces" in said


def _chosen() -> tuple[int, str]:
    backend = RootlessBackend(Host(["/nonexistent"], "/", ()))
    return tier_here(), " ".join(backend.gaps())


def _named(word: str) -> list[int]:
    """Processes that sleep for that long."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if folder.name.isdigit() and (folder / "cmdline").read_bytes() == f"sleep\0{word}\0".encode():
                found.append(int(folder.name))
    return found


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not done() and time.monotonic() < deadline:
        time.sleep(0.02)
