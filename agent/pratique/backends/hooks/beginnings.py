"""Which runs the kernel begins by itself: those of one family, numbered on over restarts of the agent."""

import ctypes
import os
from collections.abc import Sequence

from pratique.backends.hooks.mirrors import CBeginnings
from pratique.backends.hooks.tables import u32
from pratique.backends.libbpf.maps import Map

_GIVEN = 1 << 31


class Beginnings:
    """The kernel's entry of what begins, and whose managers count."""

    def __init__(self, begun: Map, scoped_users: Map) -> None:
        self._begun, self._scoped = begun, scoped_users

    def adopt(self, family: int) -> int:
        """The family of the runs that an earlier agent left in force; else `family`."""
        return self._held().family or family

    def begin(self, family: int, users: Sequence[int] | None) -> None:
        """From now on managers that nobody wrapped begin runs of the family; `users`: only theirs.

        The keeper's number tells an earlier agent's guardian of the take-over.
        """
        held = self._held()
        for user in list(self._scoped):
            self._scoped.delete(user)
        self._scoped.update_all({u32(user): b"\1" for user in users or ()})
        made = CBeginnings(family, max(held.begun, 1), users is not None, held.keeper + 1)
        self._begun.update(u32(0), bytes(made))

    def _held(self) -> CBeginnings:
        raw = self._begun.lookup(u32(0))
        return CBeginnings.from_buffer_copy(raw or bytes(ctypes.sizeof(CBeginnings)))


def stop(begun: Map) -> None:
    """No manager begins a run any more."""
    begun.update(u32(0), bytes(ctypes.sizeof(CBeginnings)))


def given(family: int) -> int:
    """A number of the family that the kernel does not use: it counts up from 1."""
    return family | _GIVEN | (int.from_bytes(os.urandom(4)) >> 1)
