"""The `hooks` backend for a whole host: many runs at once, begun by the kernel, kept over restarts of the agent."""

import contextlib
import ctypes
import hashlib
import os
import select
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pratique import resources
from pratique.backends import numbers
from pratique.backends.base import FreshOpened, FreshTree, HostBackend, Member, Scope
from pratique.backends.hooks.backend import HooksBackend
from pratique.backends.hooks.fresh import Fresh
from pratique.backends.hooks.mirrors import OFF, CBeginnings
from pratique.backends.pins import Pins
from pratique.errors import GuardError
from pratique.model import Event
from pratique.policy.model import Allow, Policy
from pratique.words import Actor, Stage


class WholeHost(HooksBackend):
    """See `backends.base.HostBackend`. There is no static layer: nobody starts these commands through us."""

    def watch(self, policy: Policy, scope: Scope, folder: str) -> int:
        """Set up, or take over, then let runs begin."""
        self._pins = Pins(folder, _version())
        self._retire_others(self._pins)
        self._users = scope.users
        self.start(policy, numbers.family())
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._opened.append(lambda: os.close(self._bell))
        self._wait.register(self._bell, select.EPOLLIN)
        self._fresh = Fresh(self._probes.label_of, self._first_run, self._in_scope, self.wake)
        self._opened.append(self._fresh.stop)
        self._guard.postpone(self._fresh.is_ungranted)
        self._fresh.start()
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

    def begin_install(self, first: int, sites: Iterable[str]) -> None:
        """Let whoever would run what this install writes wait until that is marked."""
        self._fresh.begin_install(first, sites)

    def end_install(self, first: int) -> None:
        """It is."""
        self._fresh.end_install(first)

    def follow(self, trees: Iterable[FreshTree], next_origin: Callable[[], int]) -> None:
        """Mark fresh code."""
        self._fresh.next_origin = next_origin
        self._fresh.follow(trees)

    def follow_again(self, purls: Iterable[str]) -> None:
        """Mark what has appeared since."""
        self._fresh.again(purls)

    def unfollow(self, purl: str) -> None:
        """Take the marks off."""
        self._fresh.unfollow(purl)

    def grant(self, origin: int, allows: Sequence[Allow]) -> None:
        """As ever; whoever waited for it goes on."""
        super().grant(origin, allows)
        self._fresh.granted(origin)

    def hold_refusals(self, hold: Callable[[int, str, Callable[[], None]], bool], reader: int) -> None:
        """Let `hold` look at who is refused an open; process `reader`, which it looks with, is no first run."""
        self._fresh.exempt = frozenset({reader})
        self._guard.hold_refusals(hold)

    def opened(self) -> list[FreshOpened]:
        """What the gate of fresh code saw."""
        return self._fresh.opened()

    def _first_run(self, pid: int, origin: int, run: int | None) -> int:
        run = run or self.new_run()
        self.begin(run, pid, Actor.PACKAGE, Stage.FIRST_RUN, origin)
        return run

    def _in_scope(self, pid: int) -> bool:
        if self._users is None:
            return True
        try:
            return os.stat(f"/proc/{pid}").st_uid in self._users  # noqa: PTH116 (no Path per event)
        except OSError:
            return False

    def members(self) -> Mapping[int, Member]:
        """Every labelled process."""
        live = self._probes.live().items()
        return {
            pid: Member(label.run, label.origin, label.stage, label.actor, label.pending)
            for pid, label in live
        }

    def events(self, timeout: float) -> Iterable[Event]:
        """As ever, or earlier when somebody calls `wake`."""
        yield from super().events(timeout)
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)

    def wake(self) -> None:
        """End the wait in `events`; from any thread."""
        os.eventfd_write(self._bell, 1)

    def new_run(self) -> int:
        """A number that no run of this host has."""
        return self._probes.new_run()

    def begin(
        self, run: int, pid: int, actor: Actor, stage: Stage, origin: int, *, off: bool = False
    ) -> None:
        """Label a live process as the first of a run."""
        self._probes.set_label(pid, actor, stage, origin, OFF if off else 0, run=run)

    def forget(self, origins: Iterable[int]) -> None:
        """Drop what these origins were allowed and have touched."""
        gone = frozenset(origins)
        for origin in gone:
            self._judge.forget(origin)
            self._fresh.forget(origin)
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


if TYPE_CHECKING:
    _IS_ONE: type[HostBackend] = WholeHost
