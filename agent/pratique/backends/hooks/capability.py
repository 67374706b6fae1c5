"""Whether the kernel programs really refuse here: an attach that succeeds proves nothing."""

import errno
import os
import select
import signal
import socket
from collections.abc import Callable

from pratique.backends.base import Support
from pratique.backends.hooks.plan import CODE_GROUPS, Cell, Network, Plan
from pratique.backends.hooks.probes import Probes
from pratique.errors import PratiqueError
from pratique.words import Act, Action, Actor, Stage

_SECONDS = 60
_RUN = 1
_LOOPBACK = len(CODE_GROUPS) + 1
_SEPARATOR = "\0"

# One cell: package code may not connect to the loopback network.
_PLAN = Plan(
    groups=(*CODE_GROUPS, "net.loopback"),
    rules=("self-check",),
    networks=(Network("127.0.0.0/8", _LOOPBACK),),
    ports=(),
    cells=(Cell(Stage.SCRIPT, Actor.PACKAGE, Act.NET_CONNECT, _LOOPBACK, False, Action.DENY, 1, True),),
    audit=False,
)


OK = "ok"
"""What a trial says that went well; what follows it is told as `why`."""


def capability() -> Support:
    """Load, attach, and refuse a real connect, all in a child that leaves nothing; never raises."""
    return answered(_try)


def answered(trial: Callable[[], str]) -> Support:
    """What a trial says in a child that leaves nothing; never raises."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _answer(writing, trial)
    os.close(writing)
    try:
        return _await(pid, reading)
    finally:
        os.close(reading)
        os.waitpid(pid, 0)


def _await(pid: int, reading: int) -> Support:
    ready, _, _ = select.select([reading], [], [], _SECONDS)
    if not ready:
        os.kill(pid, signal.SIGKILL)
        return Support(ok=False, why=f"trying the kernel programs took more than {_SECONDS} s")
    text = os.read(reading, 1 << 16).decode(errors="replace")
    if not text:
        return Support(ok=False, why="the process that tried the kernel programs died")
    why, _, mend = text.partition(_SEPARATOR)
    ok = why.startswith(OK)
    return Support(ok=ok, why=why.removeprefix(OK) if ok else why, mend=mend)


def _answer(writing: int, trial: Callable[[], str]) -> None:
    """Be the child; never returns."""
    text = "the kernel programs could not be tried"
    try:
        text = trial()
    except PratiqueError as error:
        text = error.what + _SEPARATOR + error.mend
    except OSError as error:
        text = f"the kernel programs could not be tried ({error})"
    finally:
        os.write(writing, text.encode(errors="replace")[: 1 << 15])
        os._exit(0)


def _try() -> str:
    probes = Probes(_PLAN, _RUN, (), label_slots=64, ring_bytes=1 << 16)
    try:
        probes.load()
        probes.attach()
        return _refuses(probes)
    finally:
        probes.close()


def _refuses(probes: Probes) -> str:
    """`ok` when a labelled child's connect fails as told and an unlabelled one's does not."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        free = in_child(lambda: _connect(address), lambda pid: None)
        held = in_child(
            lambda: _connect(address),
            lambda pid: probes.set_label(pid, Actor.PACKAGE, Stage.SCRIPT, 1),
        )
    if (free, held) == (0, errno.EPERM):
        return OK
    return f"the kernel programs attach but do not refuse (connect: {free} unlabelled, {held} labelled)"


def _connect(address: tuple[str, int]) -> int:
    with socket.socket() as client:
        return client.connect_ex(address)


def in_child(act: Callable[[], int], before: Callable[[int], object]) -> int:
    """Exit status of a child that acts once `before` has seen its pid."""
    waiting, going = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(waiting, 1)
        os._exit(act())
    before(pid)
    os.write(going, b"g")
    for fd in (waiting, going):
        os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
