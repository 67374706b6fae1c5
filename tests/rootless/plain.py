"""Doing something without privilege: in a fork, so that neither interpreter nor checkout must be that user's."""

import codecs
import os
import pickle
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

# All that is needed is imported before the privilege is dropped: afterwards the library may be out of reach.
import pratique.backends.coverage
import pratique.backends.rootless.backend
import pratique.backends.rootless.capability
import pratique.backends.rootless.claims  # noqa: F401
from pratique.backends import syscalls
from rootless.profile import PROFILE, enter

codecs.lookup("ascii")
UID = 47_000
_LIMIT = int(os.environ.get("PRATIQUE_PATIENCE", "100"))
_PR_SET_DUMPABLE = 4
_T = TypeVar("_T")


def without_privilege(do: Callable[[], _T]) -> _T:
    """What `do` returns in a process of a throw-away user; its exceptions are raised here as text."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _be_nobody(do, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not said:
        raise AssertionError(f"the process without privilege ended with {status}")
    ok, value = pickle.loads(said)  # noqa: S301 (our own child)
    if not ok:
        raise AssertionError(value)
    result: _T = value
    return result


@contextmanager
def home() -> Iterator[Path]:
    """A home of that user, below the temporary directory."""
    folder = Path(tempfile.mkdtemp(prefix="pratique-plain-")).resolve()
    if os.geteuid() == 0:
        os.chown(folder, UID, UID)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def interpreter() -> str:
    """A Python that this user can start."""
    candidates = [sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"]
    found = without_privilege(lambda: next((path for path in candidates if os.access(path, os.X_OK)), None))
    if found is None:
        raise AssertionError("no Python that a person without privilege can start")
    return found


def _be_nobody(do: Callable[[], object], writing: int) -> None:
    try:
        signal.alarm(_LIMIT)
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(UID, UID, UID)
            os.setresuid(UID, UID, UID)
            # Whoever changes its user can be looked into by nobody until its next exec, nor can its children.
            syscalls.prctl(_PR_SET_DUMPABLE, 1)
        if os.environ.get(PROFILE):
            enter()
        said = pickle.dumps((True, do()))
    except BaseException:  # noqa: BLE001
        said = pickle.dumps((False, traceback.format_exc()))
    try:
        os.write(writing, said)
    finally:
        os._exit(0)
