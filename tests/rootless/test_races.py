"""Whoever decides on what a caller says, and lets the call go on, can be raced. Here nobody wins.

`make races` is the long form.
"""

import os
import signal

import pytest

from pratique.backends.rootless.capability import TRACED
from rootless.races import Raced, raced

TRIES = int(os.environ.get("PRATIQUE_TRIES", "1000"))
_EXECS = int(os.environ.get("PRATIQUE_TRIES", "100"))
pytestmark = [pytest.mark.usefixtures("guarded_here"), pytest.mark.timeout(900, method="thread")]


def _lost(found: Raced) -> Raced:
    shown = f"the control won {found.control_won} of {found.control_tries}"
    assert found.could_be_won, f"{shown}: a race that cannot be won shows nothing"
    assert found.won == 0
    return found


def test_path(tier: str) -> None:
    """A path that another thread flips to a secret is never opened by package code."""
    done = _lost(raced("path", TRIES)).done

    if tier == str(TRACED):  # killed for what it has opened, before it could say so
        assert (done.signal, done.out) in ((signal.SIGKILL, ""), (None, "0\n"))
    else:
        assert (done.status, int(done.out)) == (0, 0)


def test_address() -> None:
    """An address that another thread flips to that of a stranger is never connected to."""
    done = _lost(raced("address", TRIES)).done

    assert (done.status, int(done.out) > 0) == (0, True)


def test_program() -> None:
    """A program that another thread puts in place of a harmless one never does what it is for."""
    _lost(raced("program", _EXECS))
