"""Whose an opened file is, and who runs what it opens."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.backends.hooks.fresh_index import Earlier, Index, runs_code
from pratique.backends.hooks.objects import Claim
from pratique.words import Act

_SITE = "/v/lib/python3.11/site-packages"
_FOLDERS = st.sampled_from([f"{_SITE}/a", f"{_SITE}/a/b", "/w/node_modules/a", "/w/node_modules/a/lib"])


def _purls(index: Index, path: str) -> set[str]:
    return {claim.group for claim in index.find((0, 0), path, -1)}


def test_a_file_is_its_directory_s() -> None:
    """Read or executed, whatever its name; nothing above or beside it."""
    index = Index()
    index.put(f"{_SITE}/evil", frozenset({"pkg:pypi/evil@1"}))

    assert index.find((0, 0), f"{_SITE}/evil/__init__.py", -1) == (
        Claim(Act.FILE_READ, "pkg:pypi/evil@1"),
        Claim(Act.EXEC, "pkg:pypi/evil@1"),
    )
    assert _purls(index, f"{_SITE}/evil.py") == set()
    assert _purls(index, f"{_SITE}/evil/sub/x.py") == set()  # its own directory is marked by itself


def test_shared_directories_have_several_owners() -> None:
    """A namespace package: each of them may have acted, until one is trusted."""
    index = Index()
    index.put(f"{_SITE}/google", frozenset({"pkg:pypi/a@1", "pkg:pypi/b@1"}))
    assert _purls(index, f"{_SITE}/google/x.py") == {"pkg:pypi/a@1", "pkg:pypi/b@1"}
    index.put(f"{_SITE}/google", frozenset({"pkg:pypi/b@1"}))
    assert _purls(index, f"{_SITE}/google/x.py") == {"pkg:pypi/b@1"}
    index.put(f"{_SITE}/google", frozenset())
    assert _purls(index, f"{_SITE}/google/x.py") == set()


def test_another_mount_namespace_has_other_paths() -> None:
    """The same directory under another root is known by its last two names."""
    index = Index()
    index.put(f"{_SITE}/evil", frozenset({"pkg:pypi/evil@1"}))
    assert _purls(index, "/merged/site-packages/evil/__init__.py") == {"pkg:pypi/evil@1"}


def test_single_files_are_known_by_inode() -> None:
    """Under whatever name."""
    index = Index()
    index.put_file((3, 4), f"{_SITE}/six.py", "pkg:pypi/six@1")
    assert {claim.group for claim in index.find((3, 4), "/anywhere.py", -1)} == {"pkg:pypi/six@1"}


def test_the_number_of_a_file_that_is_gone_is_not_another_s(tmp_path: Path) -> None:
    """File systems give it to the next one: that belongs to its own package, by its mark or by its directory."""
    index = Index()
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    index.put_file((3, 4), old, "pkg:pypi/old@1")
    index.put(f"{_SITE}/evil", frozenset({"pkg:pypi/evil@1"}))
    directory = {claim.group for claim in index.find((3, 4), f"{_SITE}/evil/x.py", -1)}
    index.put_file((3, 4), new, "pkg:pypi/new@1")

    assert directory == {"pkg:pypi/evil@1"}
    assert {claim.group for claim in index.find((3, 4), new, -1)} == {"pkg:pypi/new@1"}
    assert {claim.group for claim in index.find((3, 4), "/anywhere.py", -1)} == {"pkg:pypi/new@1"}


def test_hard_links_are_one_file(tmp_path: Path) -> None:
    """A manager may link a module from its cache into each environment: what is still there by that number counts."""
    index = Index()
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.touch()
    two.hardlink_to(one)
    status = one.stat()
    key = status.st_dev, status.st_ino
    index.put_file(key, str(one), "pkg:pypi/a@1")
    index.put_file(key, str(two), "pkg:pypi/b@1")

    assert {claim.group for claim in index.find(key, str(one), -1)} == {"pkg:pypi/a@1"}
    assert {claim.group for claim in index.find(key, "/anywhere.py", -1)} == {"pkg:pypi/a@1", "pkg:pypi/b@1"}
    index.drop_files("pkg:pypi/a@1", lambda path: path == str(one))
    assert {claim.group for claim in index.find(key, "/anywhere.py", -1)} == {"pkg:pypi/b@1"}
    index.drop_files("pkg:pypi/b@1", lambda path: True)
    assert index.files == {}


@settings(deadline=None)
@given(st.lists(st.tuples(_FOLDERS, st.frozensets(st.sampled_from(["p", "q"]))), max_size=12))
def test_what_was_put_last_counts(steps: list[tuple[str, frozenset[str]]]) -> None:
    """In any order of learning and trusting."""
    index = Index()
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
    assert runs_code(os.getpid(), "/x/evil.py") is running
    assert not runs_code(sleeper.pid, "/x/evil.py")
    assert runs_code(sleeper.pid, "/x/evil.so")
    assert runs_code(1 << 30, "/x/evil.py")


def test_what_a_single_file_is_compiled_to_is_its_own() -> None:
    """A second import opens only that; its neighbours there belong to others."""
    index = Index()
    index.put_module(f"{_SITE}/six", frozenset({"pkg:pypi/six@1"}))

    assert _purls(index, f"{_SITE}/__pycache__/six.cpython-311.pyc") == {"pkg:pypi/six@1"}
    assert _purls(index, f"{_SITE}/__pycache__/six.cpython-311.opt-1.pyc") == {"pkg:pypi/six@1"}
    assert _purls(index, f"{_SITE}/__pycache__/sixty.cpython-311.pyc") == set()
    assert _purls(index, f"{_SITE}/elsewhere/six.pyc") == set()
    index.put_module(f"{_SITE}/six", frozenset())
    assert _purls(index, f"{_SITE}/__pycache__/six.cpython-311.pyc") == set()
    assert index.folders == {}


@given(st.lists(st.tuples(st.sampled_from(["/v/a", "/v/b", "/w/a"]), st.booleans())))
def test_folders_of_single_files_are_counted(steps: list[tuple[str, bool]]) -> None:
    """As many as there are, however often one is put again or taken away."""
    index = Index()
    for module, put in steps:
        if put or module in index.modules:
            index.put_module(module, frozenset({"pkg:pypi/six@1"}) if put else frozenset())
    assert index.folders == Counter(module.rpartition("/")[0] for module in index.modules)


def test_listing_runs_nothing_and_is_told() -> None:
    """Who lists a package's folder, or one that holds a module, is about to import; nothing is claimed by it."""
    told: list[str] = []
    index = Index(told.append)
    index.put(f"{_SITE}/evil", frozenset({"pkg:pypi/evil@1"}))
    index.put(f"{_SITE}/evil/sub", frozenset({"pkg:pypi/evil@1"}))
    index.put_module(f"{_SITE}/six", frozenset({"pkg:pypi/six@1"}))

    assert _purls(index, f"{_SITE}/evil/sub") == _purls(index, _SITE) == set()
    assert told == [f"{_SITE}/evil/sub", _SITE]
    index.sites = frozenset({_SITE})
    assert _purls(index, _SITE) == {""}


def test_earlier_opens_are_remembered_of_the_same_process(sleeper: subprocess.Popen[bytes]) -> None:
    """Once; of a process that is gone nothing is known."""
    earlier = Earlier()
    earlier.note(sleeper.pid, ["pkg:pypi/a@1"])
    earlier.note(sleeper.pid, ["pkg:pypi/b@1"])
    earlier.note(1 << 30, ["pkg:pypi/c@1"])

    assert earlier.take(sleeper.pid) == {"pkg:pypi/a@1", "pkg:pypi/b@1"}
    assert earlier.take(sleeper.pid) == set()
    assert earlier.take(os.getpid()) == set()
