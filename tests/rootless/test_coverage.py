"""What `doctor` promises without privilege, proved without privilege."""

import sys

import pytest

from pratique.backends import proof
from pratique.backends.attempts import ATTEMPTS
from pratique.backends.base import Host
from pratique.backends.rootless.backend import RootlessBackend
from pratique.backends.rootless.claims import CLAIMS
from pratique.model import Coverage
from rootless.plain import interpreter, without_privilege


def test_every_row_has_a_claim() -> None:
    """What another backend does says nothing of this one: no row keeps its reason by accident."""
    assert sorted(CLAIMS) == sorted(ATTEMPTS)


def test_rows_hold(guarded_here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row is observed as claimed, or nobody can do it here even unguarded."""
    monkeypatch.setattr(sys, "executable", interpreter())
    rows = without_privilege(_proved)
    untried = [row.when for row in rows if row.reason.startswith(proof.UNTRIED)]
    disappointing = [row for row in rows if row.reason.startswith("expected")]

    assert disappointing == []
    assert set(untried) <= {
        "another resolver than the host's",
        "a name, of the host's resolver",
        "any",
        "raw sockets",
        "packet sockets and exotic families",
        "io_uring",
    }
    assert len(rows) == len(CLAIMS)


def _proved() -> list[Coverage]:
    return RootlessBackend(Host(["/nonexistent"], "/", ())).coverage()
