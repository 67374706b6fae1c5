"""The guarded command starts labelled, behind its layer, and otherwise as a shell would have started it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pratique.backends.base import Command
from pratique.backends.hooks import launch
from pratique.errors import GuardError

pytestmark = pytest.mark.root

AGENT = str(Path(launch.__file__).parents[3])


class NoLayer:
    """A layer that changes nothing."""

    def enter(self) -> None:
        """Enter nothing."""


class BrokenLayer:
    """A layer whose set-up fails."""

    def enter(self) -> None:
        """Fail as a step of a real layer does."""
        raise GuardError("static layer, read-only /x: no")


def start(*argv: str, cwd: str = "/", path: str = os.defpath) -> launch.Child:
    """Start a command without any layer or label."""
    return launch.spawn(Command(argv, cwd, {"PATH": path}), NoLayer(), lambda _: None)


def alive(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exit 0", (0, None)),
        ("exit 7", (7, None)),
        ("exit 127", (127, None)),
        ("kill -TERM $$", (128 + signal.SIGTERM, signal.SIGTERM)),
        ("kill -KILL $$", (128 + signal.SIGKILL, signal.SIGKILL)),
    ],
)
def test_tells_how_the_command_ended(script: str, expected: tuple[int, int | None]) -> None:
    """The status is the command's own; one that exits 127 was executed all the same."""
    child = start("sh", "-c", script)

    assert child.exec_error is None
    assert child.wait() == expected


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("no-such-command", 127, "no-such-command: command not found"),
        ("/no/such/command", 127, "/no/such/command: command not found"),
        ("", 127, ": command not found"),
        ("/etc/passwd", 126, "/etc/passwd: cannot execute: Permission denied"),
        ("/etc", 126, "/etc: cannot execute: Permission denied"),
        ("\n::error::x\x1b", 127, "?::error::x?: command not found"),
    ],
)
def test_fails_to_execute_as_a_shell_does(
    name: str, status: int, text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """127 when not found, 126 when not executable, one plain line, and the caller knows."""
    child = start(name)

    assert child.exec_error == text
    assert child.wait() == (status, None)
    assert capfd.readouterr().err == f"pratique: {text}\n"


def test_finds_the_command_on_its_own_path(tmp_path: Path) -> None:
    """PATH is the command's; what is not executable is passed over; no `#!` means sh."""
    for folder, mode in (("first", 0o644), ("second", 0o755)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool").write_text(f"echo {folder} $1 > {tmp_path}/ran\n")
        (tmp_path / folder / "tool").chmod(mode)

    child = start("tool", "word", path=f"{tmp_path}/first:{tmp_path}/second")

    assert child.wait() == (0, None)
    assert (tmp_path / "ran").read_text() == "second word\n"


def test_starts_in_its_directory(tmp_path: Path) -> None:
    """The command sees the directory it was started in."""
    assert start("sh", "-c", "pwd > here", cwd=str(tmp_path)).wait() == (0, None)
    assert (tmp_path / "here").read_text() == f"{tmp_path}\n"


def test_is_labelled_before_it_runs(tmp_path: Path) -> None:
    """While the label is written the command has not begun."""
    seen: list[tuple[str, bool]] = []

    def label(pid: int) -> None:
        time.sleep(0.05)
        seen.append((str(Path(f"/proc/{pid}/exe").readlink()), (tmp_path / "ran").exists()))

    command = Command(["touch", str(tmp_path / "ran")], "/", {"PATH": os.defpath})
    child = launch.spawn(command, NoLayer(), label)

    assert child.wait() == (0, None)
    assert seen == [(str(Path("/proc/self/exe").readlink()), False)]
    assert (tmp_path / "ran").exists()


def test_never_runs_when_the_label_fails(tmp_path: Path) -> None:
    """An error of the guard is the caller's, and the child is gone."""
    pids: list[int] = []

    def fail(pid: int) -> None:
        pids.append(pid)
        raise GuardError("map full")

    with pytest.raises(GuardError, match="map full"):
        launch.spawn(Command(["touch", str(tmp_path / "ran")], "/", {"PATH": os.defpath}), NoLayer(), fail)

    assert not alive(pids[0])
    assert not (tmp_path / "ran").exists()


def test_never_runs_when_the_layer_fails(tmp_path: Path) -> None:
    """The step that failed reaches the caller through the pipe, and nothing was executed."""
    command = Command(["touch", str(tmp_path / "ran")], "/", {"PATH": os.defpath})

    with pytest.raises(GuardError, match="read-only /x"):
        launch.spawn(command, BrokenLayer(), lambda _: None)

    assert not (tmp_path / "ran").exists()


def test_inherits_only_what_the_user_gave(tmp_path: Path) -> None:
    """Descriptors of the guard close at exec; one passed on purpose stays."""
    ours = os.open("/dev/null", os.O_RDONLY)
    theirs = os.dup2(ours, 50, inheritable=True)
    before = {entry.name for entry in Path("/proc/self/fd").iterdir() if _inherited(entry.name)}

    child = start(
        sys.executable,
        "-c",
        f"import os; open('{tmp_path}/fds', 'w').write(' '.join(os.listdir('/proc/self/fd')))",
    )
    os.close(ours)
    os.close(theirs)

    assert child.wait() == (0, None)
    # The file being written and the listing itself.
    extra = set((tmp_path / "fds").read_text().split()) - before
    assert len(extra) <= 2
    assert "50" in before


def _inherited(name: str) -> bool:
    try:
        return os.get_inheritable(int(name))
    except OSError:
        return False


@pytest.fixture
def disturbed() -> Iterator[None]:
    """A caller with handlers, a mask, and one signal that was ignored when it was started."""
    handler = signal.signal(signal.SIGTERM, lambda *_: None)
    ignored = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGCHLD})
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    signal.signal(signal.SIGUSR1, ignored)
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.usefixtures("disturbed")
def test_signals_are_as_the_user_left_them(tmp_path: Path) -> None:
    """Nothing blocked or caught, SIGPIPE kills again, and what nohup ignored stays ignored."""
    assert start("sh", "-c", f"cat /proc/self/status > {tmp_path}/status").wait() == (0, None)

    fields = dict(line.split(":\t", 1) for line in (tmp_path / "status").read_text().splitlines())
    ignored = int(fields["SigIgn"], 16)
    assert int(fields["SigBlk"], 16) == 0
    assert int(fields["SigCgt"], 16) == 0
    assert ignored & 1 << signal.SIGUSR1 - 1
    assert not ignored & 1 << signal.SIGPIPE - 1


def test_mask_of_the_caller_comes_back() -> None:
    """Starting a command leaves the agent's own signals as they were."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    start("true").wait()

    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_stays_in_the_process_group(tmp_path: Path) -> None:
    """Ctrl-C and job control reach the command as if Pratique were not there."""
    assert start("sh", "-c", f"cut -d' ' -f5,6 /proc/$$/stat > {tmp_path}/group").wait() == (0, None)
    assert (tmp_path / "group").read_text() == f"{os.getpgrp()} {os.getsid(0)}\n"


def test_dies_with_the_agent() -> None:
    """Kill -9 of the agent leaves no unguarded command behind."""
    agent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            (
                "from pratique.backends.base import Command\n"
                "from pratique.backends.hooks import launch\n"
                "class Layer:\n    def enter(self): pass\n"
                "command = Command(['sleep', '60'], '/', {'PATH': '/bin:/usr/bin'})\n"
                "child = launch.spawn(command, Layer(), lambda _: None)\n"
                "print(child.pid, flush=True)\nchild.wait()\n"
            ),
        ],
        env={"PYTHONPATH": AGENT},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert agent.stdout
    pid = int(agent.stdout.readline())
    assert alive(pid)

    agent.kill()
    agent.wait()
    agent.stdout.close()

    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(pid)


def test_lets_survivors_go_by_themselves() -> None:
    """What ends within the grace is not killed."""
    survivor = subprocess.Popen(["sleep", "0.2"])

    killed = launch.end(lambda: [survivor.pid] if survivor.poll() is None else [], grace=5)

    assert killed == []
    assert survivor.returncode == 0


def test_ends_survivors_that_stay(tmp_path: Path) -> None:
    """After the grace nothing that ignores signals, or starts others, is left."""
    stubborn = [subprocess.Popen(["sh", "-c", "trap '' TERM INT HUP; exec sleep 60"]) for _ in range(3)]

    def left() -> list[int]:
        return [process.pid for process in stubborn if process.poll() is None]

    killed = launch.end(left, grace=0.1)

    assert sorted(killed) == sorted(process.pid for process in stubborn)
    assert {process.returncode for process in stubborn} == {-signal.SIGKILL}


def test_gives_up_on_what_cannot_be_killed() -> None:
    """The wait is bounded, and who is left is named."""
    unkillable = 2**22 + 1  # above pid_max: listed, never there

    with pytest.raises(GuardError, match=str(unkillable)):
        launch.end(lambda: [unkillable], grace=0, limit=0.1)
