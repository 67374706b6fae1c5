"""Whose an opened file is, and who runs what it opens."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.backends.hooks import fresh
from pratique.backends.hooks.objects import Claim
from pratique.words import Act

_SITE = "/v/lib/python3.11/site-packages"
_FOLDERS = st.sampled_from([f"{_SITE}/a", f"{_SITE}/a/b", "/w/node_modules/a", "/w/node_modules/a/lib"])


def _purls(index: fresh._Index, path: str) -> set[str]:
    return {claim.group for claim in index.find((0, 0), path)}


def test_a_file_is_its_directory_s() -> None:
    """Read or executed, whatever its name; nothing above or beside it."""
    index = fresh._Index()
    index.put(f"{_SITE}/evil", frozenset({"pkg:pypi/evil@1"}))

    assert index.find((0, 0), f"{_SITE}/evil/__init__.py") == (
        Claim(Act.FILE_READ, "pkg:pypi/evil@1"),
        Claim(Act.EXEC, "pkg:pypi/evil@1"),
    )
    assert _purls(index, f"{_SITE}/evil.py") == set()
    assert _purls(index, f"{_SITE}/evil/sub/x.py") == set()  # its own directory is marked by itself


def test_shared_directories_have_several_owners() -> None:
    """A namespace package: each of them may have acted, until one is trusted."""
    index = fresh._Index()
    index.put(f"{_SITE}/google", frozenset({"pkg:pypi/a@1", "pkg:pypi/b@1"}))
    assert _purls(index, f"{_SITE}/google/x.py") == {"pkg:pypi/a@1", "pkg:pypi/b@1"}
    index.put(f"{_SITE}/google", frozenset({"pkg:pypi/b@1"}))
    assert _purls(index, f"{_SITE}/google/x.py") == {"pkg:pypi/b@1"}
    index.put(f"{_SITE}/google", frozenset())
    assert _purls(index, f"{_SITE}/google/x.py") == set()


def test_another_mount_namespace_has_other_paths() -> None:
    """The same directory under another root is known by its last two names."""
    index = fresh._Index()
    index.put(f"{_SITE}/evil", frozenset({"pkg:pypi/evil@1"}))
    assert _purls(index, "/merged/site-packages/evil/__init__.py") == {"pkg:pypi/evil@1"}


def test_single_files_are_known_by_inode() -> None:
    """Under whatever name."""
    index = fresh._Index()
    index.files[3, 4] = frozenset({"pkg:pypi/six@1"})
    assert {claim.group for claim in index.find((3, 4), "/anywhere.py")} == {"pkg:pypi/six@1"}


@settings(deadline=None)
@given(st.lists(st.tuples(_FOLDERS, st.frozensets(st.sampled_from(["p", "q"]))), max_size=12))
def test_what_was_put_last_counts(steps: list[tuple[str, frozenset[str]]]) -> None:
    """In any order of learning and trusting."""
    index = fresh._Index()
    last: dict[str, frozenset[str]] = {}
    for folder, purls in steps:
        if purls or folder in last:
            index.put(folder, purls)
            last[folder] = purls
        if not purls:
            last.pop(folder, None)
    assert index.directories == last
    for folder, purls in last.items():
        assert _purls(index, f"{folder}/x") == purls


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs nobody's code."""
    with subprocess.Popen(["sleep", "20"]) as process:
        yield process
        process.kill()


def test_interpreters_run_what_they_open(sleeper: subprocess.Popen[bytes]) -> None:
    """A reader does not, but for a native library; who is gone is not trusted."""
    running = os.path.basename(os.path.realpath(sys.executable)).startswith("python")  # noqa: PTH119
    assert fresh._runs_code(os.getpid(), "/x/evil.py") is running
    assert not fresh._runs_code(sleeper.pid, "/x/evil.py")
    assert fresh._runs_code(sleeper.pid, "/x/evil.so")
    assert fresh._runs_code(1 << 30, "/x/evil.py")
