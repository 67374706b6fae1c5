"""The `hooks` backend for a whole host."""

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pratique import resources
from pratique.backends.base import Hold, HostBackend
from pratique.backends.hooks.backend import HooksBackend
from pratique.backends.host_wide import HostWide


class WholeHost(HostWide, HooksBackend):
    """See `backends.base.HostBackend`."""

    def _version(self) -> str:
        return hashlib.sha256((resources.probes() / "hooks.bpf.o").read_bytes()).hexdigest()[:32]

    def _before_threads(self) -> None:
        self._guard.postpone(self._fresh.is_ungranted)

    def hold_refusals(self, hold: Hold, reader: int) -> None:
        """Let `hold` look at who is refused an open; process `reader`, which it looks with, is no first run."""
        self._fresh.exempt = frozenset({reader})
        self._guard.hold_refusals(hold)

    def forget(self, origins: Iterable[int]) -> None:
        """Drop what these origins were allowed and have touched."""
        gone = frozenset(origins)
        for origin in gone:
            self._judge.forget(origin)
        super().forget(gone)


if TYPE_CHECKING:
    _IS_ONE: type[HostBackend] = WholeHost
