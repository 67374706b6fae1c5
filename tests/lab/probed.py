"""A small plan for the kernel programs, and processes that carry a label of theirs."""

import ctypes
import os
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pratique.backends.hooks.plan import CODE_GROUPS, Cell, Network, Plan, Port
from pratique.backends.hooks.probes import Probes
from pratique.backends.hooks.records import Record
from pratique.managers.base import Pattern
from pratique.words import Act, Action, Actor, Stage

GROUPS = (*CODE_GROUPS, "net.loopback", "net.brokers", "net.private", "ipc.brokers")
NUMBER = {name: index + 1 for index, name in enumerate(GROUPS)}
RUN = 77
PIP = Pattern("pip", ("python", "pypy"), ("pip",), ("pip",), ("install", "wheel"), ("-W", "-X"), ("--proxy",))
NPM = Pattern("npm", ("node",), ("npm", "npm-cli"), (), ("install", "ci"), ("-r",), ("--prefix",))
UV = Pattern("uv", (), ("uv",), (), ("pip", "sync"), (), ("--directory",))
UVX = Pattern("uvx", (), ("uvx",), (), ())
YARN = Pattern("yarn", ("node",), ("yarn",), (), ("", "add"), ("-r",), ("--cwd",))
"""The empty word: no verb at all."""
BROKER_PORT = 47113

libc = ctypes.CDLL(None, use_errno=True)


def cell(act: Act, group: str, action: Action, **other: object) -> Cell:
    """A cell for package code in a build."""
    base = Cell(Stage.BUILD, Actor.PACKAGE, act, NUMBER.get(group, 0), False, action, 1, False)
    return base._replace(**other)


CELLS = (
    *(cell(Act.EXEC, name, Action.DENY) for name in CODE_GROUPS[:4]),
    cell(Act.EXEC, "code.fresh", Action.AUDIT),
    cell(Act.NET_CONNECT, "net.loopback", Action.DENY),
    cell(Act.NET_CONNECT, "net.brokers", Action.DENY, locked=True),
    cell(Act.NET_CONNECT, "net.private", Action.AUDIT),
    cell(Act.NET_CONNECT, "net.private", Action.DENY, tainted=True),
    cell(Act.NET_CONNECT, "net.raw-socket", Action.DENY),
    cell(Act.NET_DNS, "", Action.DENY),
    cell(Act.PROC_MEMORY, "proc.outside", Action.KILL),
    cell(Act.IPC_CONNECT, "ipc.brokers", Action.DENY),
)
PLAN = Plan(
    groups=GROUPS,
    rules=("only-rule",),
    networks=(
        Network("127.0.0.0/8", NUMBER["net.loopback"]),
        Network("::1/128", NUMBER["net.loopback"]),
        Network("10.0.0.0/8", NUMBER["net.private"]),
    ),
    ports=(Port(BROKER_PORT, NUMBER["net.brokers"]),),
    cells=CELLS,
    audit=False,
)


def labelled(
    probes: Probes,
    work: Callable[[], object],
    actor: Actor = Actor.PACKAGE,
    *,
    origin: int = 1,
    watch: Callable[[int], object] | None = None,
) -> int:
    """Exit status (negative: signal) of a child that works once it is labelled; True and None are 0."""
    waiting, going = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(waiting, 1)
        status = 99
        try:
            result = work()
            status = result if isinstance(result, int) and not isinstance(result, bool) else 0
        except OSError as error:
            status = error.errno or 98
        finally:
            os._exit(status)
    probes.set_label(pid, actor, Stage.BUILD, origin)
    os.write(going, b"g")
    if watch:
        watch(pid)
    os.close(waiting)
    os.close(going)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def connect(address: tuple[str, int], family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> int:
    """The errno of a connect, 0 if it went through."""
    with socket.socket(family, kind) as client:
        client.settimeout(2)
        return client.connect_ex(address)


def run_program(*argv: str, image: str = "/bin/true") -> Callable[[], object]:
    """Work that becomes `image` with any argv."""

    def work() -> int:
        encoded = [os.fsencode(word) for word in argv]
        # Not os.execv: it refuses argument lists that the kernel takes.
        libc.execv(image.encode(), (ctypes.c_char_p * (len(argv) + 1))(*encoded))
        return ctypes.get_errno()

    return work


def of(kind: type, found: Sequence[Record]) -> list[Record]:
    """The records of one kind."""
    return [record for record in found if isinstance(record, kind)]


def until(probes: Probes, kind: type, seconds: float = 3) -> list[Record]:
    """The first records of one kind, within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = of(kind, probes.read(0.1))
        if found:
            return found
    return []


def in_grandchild(work: Callable[[], int]) -> int:
    """Do the work in a double-forked, session-leading grandchild; its status."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writing, bytes([work()]))
        os._exit(0)
    os.wait()
    return os.read(reading, 1)[0]


def from_memory() -> None:
    """Run a program that never had a name."""
    fd = os.memfd_create("x", 0)
    os.write(fd, Path("/bin/true").read_bytes())
    os.execv(f"/proc/self/fd/{fd}", ["x"])  # noqa: S606


def copied(place: Path, *, remove: bool = False) -> Callable[[], object]:
    """Write a copy of a program there and run it."""

    def work() -> None:
        place.write_bytes(Path("/bin/true").read_bytes())
        place.chmod(0o755)
        fd = os.open(place, os.O_RDONLY)
        if remove:
            place.unlink()
        os.execve(fd, ["x"], os.environ)  # noqa: S606

    return work
