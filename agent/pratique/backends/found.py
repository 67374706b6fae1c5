"""Proves what is covered in runs that nobody wrapped: the same attempts, behind no static layer.

Run as a module by the daemon: the guard it tries must not share the daemon's process.
"""

import json
import sys

from pratique.backends import choice, coverage, memory, proof
from pratique.backends.base import Host
from pratique.backends.hooks.backend import HooksBackend
from pratique.backends.hooks.static import Bare
from pratique.backends.lsm.backend import LsmBackend
from pratique.model import Coverage

WHEN = "daemon-found: "


class _Unconfined(Bare):
    """Nothing is in the way of an attempt, but what it mounts is not left to the host."""

    def enter(self) -> None:
        proof.private_mounts()


class Unwrapped(HooksBackend):
    """The backend as it guards a manager that started by itself."""

    def _layer(self) -> Bare:
        return _Unconfined()


def prove() -> list[Coverage]:
    """Every row of the backend that guards whole hosts here, as it is without a wrapper."""
    if choice.whole_host(Host((), "/", ())).name == LsmBackend.name:
        rows = coverage.prove(LsmBackend, coverage.LSM_ROWS)  # it has no layer to do without
    else:
        rows = coverage.prove(_unwrapped)
    return [row._replace(when=WHEN + row.when) for row in rows]


def _unwrapped(host: Host) -> Unwrapped:
    return Unwrapped(host)


if __name__ == "__main__":
    json.dump(memory.as_rows(prove()), sys.stdout)
