"""Who was stopped for its line goes on: by the agent's word, else by the guardian's; whom others stopped stays so."""

import ctypes
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pratique import proc
from pratique.backends.hooks import fanotify
from pratique.backends.hooks.guardian import Guardian
from pratique.backends.hooks.tables import u32
from pratique.backends.libbpf.maps import Map
from pratique.backends.lsm.stops import Stops

pytestmark = [pytest.mark.root, pytest.mark.timeout(60, method="thread")]

_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
_MANY_SECONDS = 20.0


class Tables:
    """The maps that `Stops` knows of the kernel programs, without the programs."""

    def __init__(self) -> None:
        self.stopped = Map(_made(struct.pack("5I", 1, 4, 8, 8, 0)), 4, 8)
        self.settings = Map(_made(struct.pack("5I", 1, 4, 8, 1, 0)), 4, 8)

    def table(self, name: str) -> Map:
        """By its name."""
        return {"stopped": self.stopped, "settings": self.settings}[name]

    def beat(self, moment: int) -> None:
        """What the programs would read."""
        self.settings.update(u32(0), moment.to_bytes(8, "little"))

    def stop(self, pid: int) -> None:
        """As the programs do."""
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self.stopped.update(u32(pid), now.to_bytes(8, "little"))
        os.kill(pid, signal.SIGSTOP)
        assert _soon(lambda: proc.state_of(pid) == "T")


def _made(attributes: bytes) -> int:
    fd = int(ctypes.CDLL(None, use_errno=True).syscall(_BPF, 0, attributes, len(attributes)))
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return fd


def _soon(true: Callable[[], object]) -> bool:
    deadline = time.monotonic() + _MANY_SECONDS
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(true())


@pytest.fixture
def tables() -> Iterator[Tables]:
    """Empty ones."""
    made = Tables()
    yield made
    os.close(made.stopped.fd)
    os.close(made.settings.fd)


@pytest.fixture
def stops(tables: Tables) -> Stops:
    """The agent's side."""
    return Stops(tables)  # type: ignore[arg-type]


@pytest.fixture
def sleeper() -> Iterator[int]:
    """Somebody to stop."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process.pid
        process.kill()


def test_it_goes_on_and_stands_nowhere_any_more(tables: Tables, stops: Stops, sleeper: int) -> None:
    """By one word of the agent; a second one does nothing."""
    tables.stop(sleeper)
    stops.let_go(sleeper)

    assert _soon(lambda: proc.state_of(sleeper) != "T")
    assert list(tables.stopped) == []
    os.kill(sleeper, signal.SIGSTOP)
    assert _soon(lambda: proc.state_of(sleeper) == "T")
    stops.let_go(sleeper)
    time.sleep(0.1)
    assert proc.state_of(sleeper) == "T"


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGTSTP])
def test_whom_somebody_else_stops_meanwhile_stays_stopped(
    tables: Tables, stops: Stops, sleeper: int, number: signal.Signals
) -> None:
    """Until that somebody lets it go on."""
    tables.stop(sleeper)
    os.kill(sleeper, number)
    stops.let_go(sleeper)
    time.sleep(0.2)

    assert proc.state_of(sleeper) == "T"
    assert list(tables.stopped) == []
    os.kill(sleeper, signal.SIGCONT)
    assert _soon(lambda: proc.state_of(sleeper) != "T")


def test_of_who_is_gone_nothing_is_left(tables: Tables, stops: Stops, sleeper: int) -> None:
    """Killed while it was stopped: no error, and its place is free."""
    tables.stop(sleeper)
    os.kill(sleeper, signal.SIGKILL)
    os.waitpid(sleeper, 0)
    stops.let_go_all()

    assert list(tables.stopped) == []


def test_the_guardian_lets_go_for_an_agent_that_does_not(tables: Tables, stops: Stops, sleeper: int) -> None:
    """Half a second after the stop, while the agent beats on and thinks of something else."""
    with _guarded(tables, stops) as guardian:
        tables.stop(sleeper)
        began = time.monotonic()
        while proc.state_of(sleeper) == "T" and time.monotonic() < began + _MANY_SECONDS:
            guardian.beat()
            time.sleep(0.05)
        took = time.monotonic() - began

    assert list(tables.stopped) == []
    assert took >= 0.4


def test_the_guardian_lets_go_when_the_agent_is_dead(tables: Tables, stops: Stops, sleeper: int) -> None:
    """At once, also of who was being stopped just then; and takes back that lines are read."""
    tables.beat(1 << 62)
    agent = os.fork()
    if agent == 0:
        guardian = Guardian(*_held(tables), tend=stops.tend, needed=False)
        guardian.start()
        tables.stop(sleeper)
        signal.pause()
    assert _soon(lambda: list(tables.stopped))
    os.kill(agent, signal.SIGKILL)
    os.waitpid(agent, 0)

    assert _soon(lambda: proc.state_of(sleeper) != "T")
    assert tables.settings.lookup(u32(0)) == bytes(8)


def _held(tables: Tables) -> tuple[int, int, int, tuple[int, ...]]:
    gate = fanotify.open_gate()
    return gate, tables.stopped.fd, 7, (tables.settings.fd,)


@contextmanager
def _guarded(tables: Tables, stops: Stops) -> Iterator[Guardian]:
    held = _held(tables)
    guardian = Guardian(*held, tend=stops.tend, needed=False)
    guardian.start()
    try:
        yield guardian
    finally:
        guardian.release()
        os.close(held[0])
