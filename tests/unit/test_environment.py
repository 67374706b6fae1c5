"""Taking variables out of a stopped process's environment."""

import ctypes
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.backends.hooks import environment

_TRACEME, _DETACH = 0, 17
_GIVEN = {"PATH": "/usr/bin:/bin", "MY_TOKEN": "s3cret", "npm_token": "also", "TOKENS": "2", "LAST": "kept"}


@contextmanager
def _stopped(argv: list[str], told: Path) -> Iterator[int]:
    """A program stopped after its exec, as the kernel programs stop it; it goes on and ends afterwards."""
    libc = ctypes.CDLL(None, use_errno=True)
    pid = os.fork()
    if pid == 0:
        libc.ptrace(_TRACEME, 0, 0, 0)
        os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT), 1)
        os.execve(argv[0], argv, _GIVEN)  # noqa: S606
    os.waitpid(pid, 0)
    try:
        yield pid
    finally:
        libc.ptrace(_DETACH, pid, 0, 0)
        os.waitpid(pid, 0)


def test_what_matches_is_gone_and_the_rest_is_whole(tmp_path: Path) -> None:
    """Names count in any case and from end to end; their values are nowhere in the program's memory block."""
    told = tmp_path / "told"
    with _stopped(["/usr/bin/env", "-0"], told) as pid:
        names = environment.strip(pid, ("*_TOKEN",))
        block = Path(f"/proc/{pid}/environ").read_bytes()

    assert names == ("MY_TOKEN", "npm_token")
    assert b"s3cret" not in block
    listed = {line.partition(b"=")[0] for line in told.read_bytes().split(b"\0")} - {b""}
    assert listed == {b"PATH", b"TOKENS", b"LAST"}


@pytest.mark.parametrize("patterns", [("NOTHING",), ("*.SECRET", "AWS_*")])
def test_without_a_match_nothing_changes(tmp_path: Path, patterns: tuple[str, ...]) -> None:
    """A program without such variables is left alone."""
    with _stopped(["/usr/bin/env", "-0"], tmp_path / "told") as pid:
        before = Path(f"/proc/{pid}/environ").read_bytes()
        assert environment.strip(pid, patterns) == ()
        assert Path(f"/proc/{pid}/environ").read_bytes() == before


def test_a_process_that_is_gone_is_an_error() -> None:
    """Who asks must know that nothing was stripped."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)

    with pytest.raises(OSError, match=str(pid)):
        environment.strip(pid, ("*",))


@given(st.lists(st.binary(max_size=20)), st.sampled_from([".*", "A.*", "=", ""]))
def test_a_block_keeps_its_length_and_what_does_not_match(entries: list[bytes], pattern: str) -> None:
    """Whatever a caller of exec put there: nothing moves, and what is overwritten is a whole string."""
    block = b"\0".join(entries)

    kept, names = environment._without(block, re.compile(pattern))

    assert len(kept) == len(block)
    if not names:
        assert kept == block
    pairs = list(zip(block.split(b"\0"), _cut(kept, block), strict=True))
    assert all(after in (before, bytes(len(before))) for before, after in pairs)


def _cut(kept: bytes, block: bytes) -> Iterator[bytes]:
    at = 0
    for entry in block.split(b"\0"):
        yield kept[at : at + len(entry)]
        at += len(entry) + 1
