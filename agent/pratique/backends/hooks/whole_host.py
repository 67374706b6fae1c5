"""The `hooks` backend for a whole host: many runs at once, begun by the kernel, kept over restarts of the agent."""

import ctypes
import hashlib
from collections.abc import Iterable, Mapping

from pratique import resources
from pratique.backends import numbers
from pratique.backends.base import Member, Scope
from pratique.backends.hooks.backend import HooksBackend
from pratique.backends.hooks.mirrors import CBeginnings
from pratique.backends.pins import Pins
from pratique.errors import GuardError
from pratique.policy.model import Policy
from pratique.words import Actor, Stage


class WholeHost(HooksBackend):
    """See `backends.base.HostBackend`. There is no static layer: nobody starts these commands through us."""

    def watch(self, policy: Policy, scope: Scope, folder: str) -> int:
        """Set up, or take over, then let runs begin."""
        self._pins = Pins(folder, _version())
        self._retire_others(self._pins)
        self.start(policy, numbers.family())
        # Last: an earlier agent's guardian lets go of its file marks when it sees this.
        self._probes.begin_runs(scope.users)
        return self._run

    def _attach(self) -> None:
        super()._attach()
        self._run = self._probes.adopt_family(self._run)

    def _retire_others(self, pins: Pins) -> None:
        """What another version kept begins no more runs; its guardian ends those it has."""
        for begun in pins.of_others("begun"):
            begun.update(bytes(4), bytes(ctypes.sizeof(CBeginnings)))
            pins.drop()

    def members(self) -> Mapping[int, Member]:
        """Every labelled process."""
        live = self._probes.live().items()
        return {
            pid: Member(label.run, label.origin, label.stage, label.actor, label.pending)
            for pid, label in live
        }

    def begin(self, pid: int, actor: Actor, stage: Stage, origin: int) -> int | None:
        """Label a live process as the first of a new run."""
        run = self._probes.new_run()
        return run if self._probes.set_label(pid, actor, stage, origin, run=run) else None

    def forget(self, origins: Iterable[int]) -> None:
        """Drop what these origins were allowed and have touched."""
        gone = frozenset(origins)
        for origin in gone:
            self._judge.forget(origin)
        if gone:
            self._probes.forget(gone)

    def leave(self) -> None:
        """Hand over; the process must end now. Nothing is closed: the marks are the guardian's as well."""
        self._opened.clear()
        self._guardian.hand_over()

    def close(self) -> None:
        """End every labelled tree, then the guard itself, pins included."""
        if self._opened and self._pins is not None:
            try:
                self.finish()
            except GuardError:
                self._guardian.release(0)
        super().close()
        if self._pins is not None:
            self._pins.drop()


def _version() -> str:
    """What the kernel programs are: other programs keep other tables."""
    return hashlib.sha256((resources.probes() / "hooks.bpf.o").read_bytes()).hexdigest()[:32]
