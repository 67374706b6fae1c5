"""What /proc tells of processes: of this one, of a child, and of one that is gone."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pratique import proc

_GONE = 1 << 30
_PIPE = subprocess.PIPE


def test_a_live_process_is_told_of(tmp_path: Path) -> None:
    """Its words to the last byte, its environment, where it is, what it runs, whose it is and whose child."""
    words = ["cat", "-", "", "a=b", os.fsdecode(b"\xff")]
    told = {"A": "=x", "B": ""}
    with subprocess.Popen(words, cwd=tmp_path, env=told, stdin=_PIPE, stdout=_PIPE, stderr=_PIPE) as child:
        child.stdin.write(b"here\n")
        child.stdin.flush()
        child.stdout.readline()  # Popen returns in the middle of the exec

        assert proc.words_of(child.pid, "cmdline") == tuple(words)
        assert proc.environment_of(child.pid) == told
        assert proc.link_of(child.pid, "cwd") == str(tmp_path)
        assert proc.link_of(child.pid, "exe") == os.path.realpath(shutil.which("cat"))
        assert proc.owner_of(child.pid) == os.getuid()
        assert proc.parent_of(child.pid) == os.getpid()
        assert int(proc.began(child.pid)) >= int(proc.began(os.getpid()))


def test_a_stopped_process_shows_who_else_wants_it_stopped() -> None:
    """Its state, and the signals that wait for it: none of its own stop, each later one."""
    with subprocess.Popen(["sleep", "60"]) as child:
        os.kill(child.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        before = proc.pending(child.pid)
        os.kill(child.pid, signal.SIGTSTP)

        assert proc.state_of(child.pid) == "T"
        assert (before, proc.pending(child.pid)) == (0, 1 << (signal.SIGTSTP - 1))
        child.kill()


def test_of_a_process_that_is_gone_nothing_is_told() -> None:
    """Neither made up nor an error."""
    assert proc.words_of(_GONE, "cmdline") == ()
    assert proc.environment_of(_GONE) == {}
    assert proc.link_of(_GONE, "cwd") is None
    assert proc.owner_of(_GONE) is None
    assert (proc.state_of(_GONE), proc.pending(_GONE)) == ("", 0)
    assert proc.parent_of(_GONE) == 0
    assert proc.began(_GONE) == ""


@pytest.mark.parametrize("read", [proc.read_environment, lambda pid: proc.read_link(pid, "exe")])
def test_who_must_know_is_told_that_it_is_gone(read: Callable[[int], object]) -> None:
    """A stopped process that cannot be read is judged as what nobody knows."""
    with pytest.raises(OSError, match="No such file"):
        read(_GONE)
