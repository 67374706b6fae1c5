"""When the agent dies or falls silent, its run dies too, what waits is refused, everyone else is free."""

import contextlib
import ctypes
import os
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.demands import demand
from pratique.backends.hooks import fanotify
from pratique.backends.hooks.guardian import Guardian, labelled, run_of
from pratique.errors import GuardError

pytestmark = [pytest.mark.root, pytest.mark.timeout(60, method="thread")]

CANARY = "canary-c0ffee"
RUN, OTHER_RUN = 7, 8
_libc = ctypes.CDLL(None, use_errno=True)
_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]

_AGENT = """
import sys, time
from pratique.backends.hooks.files import FileGuard
from pratique.backends.hooks.guardian import Guardian, run_of
from pratique.policy.places import Place

labels, top, interval, guarded = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4] == "guarded"

def judge(pid, act, path, groups):
    if path.endswith("held"):
        print("held", flush=True)
        time.sleep(60)
    return run_of(labels, pid) is None

guard = FileGuard(
    [Place(f"{top}/{name}", "secrets.app", True, False, False) for name in ("secret", "held")],
    [], [], judge, lambda pid: run_of(labels, pid) is not None,
)
guardian = Guardian(guard.fd, labels, 7, interval=interval)
if guarded:
    guardian.start()
guard.start()
print(guardian.pid, flush=True)
while sys.stdin.readline() == "":
    pass
"""
_BEATING = _AGENT.replace(
    'while sys.stdin.readline() == "":\n    pass',
    """
import select
while not select.select([sys.stdin], [], [], 0.05)[0]:
    guardian.beat()
guard.stop()
guardian.release()
""",
)


class Labels:
    """A label map as the kernel programs keep it: u32 tgid → {u64 run, u64 rest}."""

    def __init__(self) -> None:
        self.fd = self._bpf(0, struct.pack("5I", 1, 4, 16, 64, 0))

    def put(self, pid: int, run: int = RUN) -> None:
        """Label a process."""
        key, value = ctypes.c_uint32(pid), ctypes.create_string_buffer(struct.pack("QQ", run, 0), 16)
        attr = struct.pack("I4xQQQ", self.fd, ctypes.addressof(key), ctypes.addressof(value), 0)
        self._bpf(2, attr)

    def _bpf(self, command: int, attr: bytes) -> int:
        result = int(_libc.syscall(_BPF, command, attr, len(attr)))
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result


class Agent:
    """An agent process with a file guard and (usually) a guardian, over a directory with two secrets."""

    def __init__(self, labels: Labels, top: Path, interval: float = 5.0, guarded: bool = True) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _BEATING,
                str(labels.fd),
                str(top),
                str(interval),
                "guarded" if guarded else "alone",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[labels.fd],
            env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        self.pid = self._process.pid
        self.guardian = int(self.line())

    def line(self) -> str:
        """What it says next."""
        assert self._process.stdout
        ready, _, _ = select.select([self._process.stdout], [], [], 20)
        assert ready, "the agent says nothing"
        return self._process.stdout.readline().strip()

    def send(self, number: signal.Signals) -> None:
        """Signal it."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its status, once it has ended by itself."""
        return self._process.wait(20)

    def finish(self) -> int:
        """Ask it to end the orderly way; its status."""
        self._process.communicate("end\n", timeout=20)
        return self._process.returncode

    def destroy(self) -> None:
        """Leave nothing, whatever the test came to; the guardian first, or it would strike."""
        if self.guardian and self._process.poll() is None:
            _kill(self.guardian)
        self._process.kill()
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._process.communicate(timeout=20)


@pytest.fixture(scope="module", autouse=True)
def kernel_here() -> None:
    """Permission events and BPF maps need root and a kernel that has them."""
    try:
        os.close(fanotify.open_gate())
        os.close(Labels().fd)
    except OSError as error:
        demand(f"fanotify and bpf: {error.strerror}")


@pytest.fixture
def labels() -> Iterator[Labels]:
    """An empty label map."""
    labels = Labels()
    yield labels
    os.close(labels.fd)


@pytest.fixture
def top() -> Iterator[Path]:
    """A directory with two secrets that another user may read; `tmp_path` is closed to others."""
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o755)
        for secret in (top / "secret", top / "held"):
            secret.write_text(CANARY)
            secret.chmod(0o644)
        yield top


@pytest.fixture
def sleepers() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two processes that do nothing, as members of a run."""
    sleepers = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
    yield sleepers
    for sleeper in sleepers:
        sleeper.kill()
        sleeper.wait()


def _descriptors() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def _may_lower_oom_score() -> bool:
    """CAP_SYS_RESOURCE, which some containers and machines keep even from root."""
    status = Path("/proc/self/status").read_text()
    return bool(int(status.partition("CapEff:")[2].split()[0], 16) >> 24 & 1)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _cat_as_another_user(path: Path) -> tuple[str, float]:
    start = time.monotonic()
    done = subprocess.run(
        ["cat", str(path)], user=65534, capture_output=True, text=True, timeout=20, check=False
    )
    return done.stdout, time.monotonic() - start


def _opener(path: Path) -> subprocess.Popen[str]:
    """A process that reads the file once its standard input says so."""
    code = f"import sys\nsys.stdin.readline()\nprint(open({str(path)!r}).read())"
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _go(opener: subprocess.Popen[str]) -> None:
    assert opener.stdin
    opener.stdin.write("\n")
    opener.stdin.flush()


def _is_gone(pid: int, within: float) -> bool:
    """Whether the process has ended (a zombie nobody reaped yet has)."""
    limit = time.monotonic() + within
    while time.monotonic() < limit:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def test_without_a_guardian_the_guard_fails_open(labels: Labels, top: Path) -> None:
    """The positive control: whoever waits when a lone agent dies is let through by the kernel."""
    agent = Agent(labels, top, guarded=False)
    opener = _opener(top / "held")
    try:
        labels.put(opener.pid)
        _go(opener)
        assert agent.line() == "held"
        agent.send(signal.SIGKILL)

        assert opener.communicate(timeout=20)[0].strip() == CANARY
    finally:
        agent.destroy()
        opener.kill()


def test_the_guard_refuses_while_the_agent_lives(labels: Labels, top: Path) -> None:
    """What the tests below rely on: the labelled opener is refused, another user is not."""
    agent = Agent(labels, top)
    opener = _opener(top / "secret")
    try:
        labels.put(opener.pid)
        assert "PermissionError" in opener.communicate("\n", timeout=20)[0]
        assert _cat_as_another_user(top / "secret")[0] == CANARY
    finally:
        agent.destroy()


def test_kill_of_the_agent(labels: Labels, top: Path, sleepers: list[subprocess.Popen[bytes]]) -> None:
    """The run is dead, its waiting opener has read nothing, and another user's cat works within a second."""
    agent = Agent(labels, top)
    opener, waiting = _opener(top / "held"), _opener(top / "secret")
    try:
        for pid in (opener.pid, waiting.pid, *(sleeper.pid for sleeper in sleepers)):
            labels.put(pid)
        _go(opener)
        assert agent.line() == "held"
        _go(waiting)  # its event stays in the queue: the answering thread is busy
        killed = time.monotonic()
        agent.send(signal.SIGKILL)

        text, _ = _cat_as_another_user(top / "secret")
        assert time.monotonic() - killed < 1
        assert text == CANARY
        for process in (opener, waiting):
            assert CANARY not in process.communicate(timeout=20)[0]
            assert process.returncode in (-signal.SIGKILL, 1)
        assert [sleeper.wait(5) for sleeper in sleepers] == [-signal.SIGKILL] * 2
        assert _is_gone(agent.guardian, 2)
    finally:
        agent.destroy()
        opener.kill()
        waiting.kill()


def test_what_the_dead_agent_had_read_is_refused(labels: Labels, top: Path) -> None:
    """An event read but not answered cannot be read again: its opener, here one of no run, gets one EPERM."""
    agent = Agent(labels, top)
    opener = _opener(top / "held")
    try:
        _go(opener)
        assert agent.line() == "held"
        agent.send(signal.SIGKILL)

        assert "PermissionError" in opener.communicate(timeout=20)[0]
        assert _cat_as_another_user(top / "held")[0] == CANARY
    finally:
        agent.destroy()
        opener.kill()


def test_a_silent_agent_is_ended(labels: Labels, top: Path, sleepers: list[subprocess.Popen[bytes]]) -> None:
    """SIGSTOP of the agent: after the interval it is killed and everything follows as if it had died."""
    agent = Agent(labels, top, interval=0.5)
    opener = _opener(top / "secret")
    try:
        for pid in (opener.pid, *(sleeper.pid for sleeper in sleepers)):
            labels.put(pid)
        agent.send(signal.SIGSTOP)
        _go(opener)
        text, seconds = _cat_as_another_user(top / "secret")

        assert text == CANARY
        assert seconds < 1.5
        assert CANARY not in opener.communicate(timeout=20)[0]
        assert agent.wait() == -signal.SIGKILL
        assert [sleeper.wait(5) for sleeper in sleepers] == [-signal.SIGKILL] * 2
        assert _is_gone(agent.guardian, 2)
    finally:
        agent.send(signal.SIGCONT)
        agent.destroy()
        opener.kill()


def test_beats_keep_the_guardian_calm(
    labels: Labels, top: Path, sleepers: list[subprocess.Popen[bytes]]
) -> None:
    """An agent that beats is never struck, however long it lives."""
    agent = Agent(labels, top, interval=0.3)
    try:
        labels.put(sleepers[0].pid)
        time.sleep(1.2)

        assert sleepers[0].poll() is None
        assert not _is_gone(agent.guardian, 0.05)
    finally:
        agent.destroy()


def test_release_harms_nobody(labels: Labels, top: Path, sleepers: list[subprocess.Popen[bytes]]) -> None:
    """An orderly end leaves the labelled alone, and neither guardian nor group behind."""
    agent = Agent(labels, top)
    try:
        labels.put(sleepers[0].pid)

        assert agent.finish() == 0
        assert _is_gone(agent.guardian, 0.5)
        assert sleepers[0].poll() is None
        assert _cat_as_another_user(top / "secret")[0] == CANARY
    finally:
        agent.destroy()


def test_another_run_lives_on(labels: Labels, top: Path, sleepers: list[subprocess.Popen[bytes]]) -> None:
    """Two agents may share one label map: the guardian ends its own run only."""
    agent = Agent(labels, top)
    try:
        labels.put(sleepers[0].pid)
        labels.put(sleepers[1].pid, OTHER_RUN)
        agent.send(signal.SIGKILL)

        assert sleepers[0].wait(5) == -signal.SIGKILL
        assert _is_gone(agent.guardian, 2)
        assert sleepers[1].poll() is None
    finally:
        agent.destroy()


def test_the_guardian_holds_little_and_hears_nothing(labels: Labels, top: Path) -> None:
    """It has a name, ignores a terminal's signals and the memory killer, keeps no descriptor it need not."""
    agent = Agent(labels, top)
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            os.kill(agent.guardian, number)
        time.sleep(0.2)

        process = Path(f"/proc/{agent.guardian}")
        assert (process / "comm").read_text() == "pratique-guard\n"
        assert (process / "oom_score_adj").read_text() == ("-1000\n" if _may_lower_oom_score() else "0\n")
        assert os.getsid(agent.guardian) == agent.guardian
        names = [fd.readlink().name.partition(":[")[0] for fd in (process / "fd").iterdir()]
        assert names.count("null") == 3
        assert len(names) == 7, (
            names
        )  # standard three; group, labels, its end of the pair, a pidfd of the agent
    finally:
        agent.destroy()


def test_the_agent_notices_the_guardians_death(labels: Labels) -> None:
    """A killed guardian shows in alive() and wakes whoever polls its descriptor; release() is still fine."""
    gate = fanotify.open_gate()
    guardian = Guardian(gate, labels.fd, RUN)
    guardian.start()
    try:
        assert guardian.alive()
        _kill(guardian.pid)

        assert select.select([guardian.fd], [], [], 5)[0] == [guardian.fd]
        assert not guardian.alive()
        guardian.beat()
    finally:
        guardian.release()
        guardian.release()
        os.close(gate)
    assert not guardian.alive()


def test_a_guardian_leaves_no_descriptor_in_the_agent(labels: Labels) -> None:
    """Start and release are free of residue, in the agent's table and in the process table."""
    before = _descriptors()
    gate = fanotify.open_gate()
    guardian = Guardian(gate, labels.fd, RUN)
    guardian.start()
    pid = guardian.pid
    guardian.release()
    os.close(gate)

    assert _descriptors() == before
    assert not Path(f"/proc/{pid}").exists()


def test_the_label_map_is_listed_by_run(labels: Labels) -> None:
    """The guardian finds each pid of its run, and no pid without a label."""
    for pid in range(1, 31):
        labels.put(10_000_000 + pid, RUN if pid % 2 else OTHER_RUN)

    assert sorted(labelled(labels.fd, RUN)) == [10_000_000 + pid for pid in range(1, 31, 2)]
    assert run_of(labels.fd, 1) is None


def test_what_it_is_given_later_is_held_as_long_as_it_lives(labels: Labels) -> None:
    """The link of a program attached in mid-run outlives its giver, and no longer than the guardian."""
    gate, reading = fanotify.open_gate(), os.pipe()
    guardian = Guardian(gate, labels.fd, RUN)
    guardian.start()
    try:
        for _ in range(3):
            guardian.beat()
        guardian.hold(reading[1])
        os.close(reading[1])
        held = not select.select([reading[0]], [], [], 0.3)[0]
        alive = guardian.alive()
    finally:
        guardian.release()
    ended = bool(select.select([reading[0]], [], [], 2)[0])
    os.close(gate)
    os.close(reading[0])

    assert (held, alive, ended) == (True, True, True)


def test_a_dead_guardian_can_be_given_nothing(labels: Labels) -> None:
    """Who wants something held must know that nobody holds it."""
    gate = fanotify.open_gate()
    guardian = Guardian(gate, labels.fd, RUN)
    guardian.start()
    _kill(guardian.pid)
    try:
        assert select.select([guardian.fd], [], [], 5)[0] == [guardian.fd]
        with pytest.raises(GuardError, match="cannot be reached"):
            guardian.hold(gate)
    finally:
        guardian.release()
        os.close(gate)
