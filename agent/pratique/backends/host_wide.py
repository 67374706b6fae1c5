"""What root's two backends share when they guard a whole host: many runs at once, kept over restarts of the agent."""

import contextlib
import os
import select
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pratique.backends import numbers
from pratique.backends.base import FreshOpened, FreshTree, Hold, Member, Scope
from pratique.backends.hooks.beginnings import given, stop
from pratique.backends.hooks.fresh import Fresh
from pratique.backends.hooks.guardian import Guardian
from pratique.backends.hooks.mirrors import OFF
from pratique.backends.kernel import KernelBackend
from pratique.backends.pins import Pins
from pratique.errors import GuardError
from pratique.model import Event
from pratique.policy.model import Allow, Policy
from pratique.words import Actor, Stage


class HostWide(KernelBackend):
    """See `backends.base.HostBackend`. There is no static layer: nobody starts these commands through us."""

    _guardian: Guardian

    @abstractmethod
    def _version(self) -> str:
        """What the kernel programs are: other programs keep other tables."""

    @abstractmethod
    def hold_refusals(self, hold: Hold, reader: int) -> None:
        """Let `hold` look at who is refused an open; process `reader`, which it looks with, is no first run."""

    def watch(self, policy: Policy, scope: Scope, folder: str) -> int:
        """Set up, or take over, then let runs begin."""
        self._folder = Path(folder)
        self._pins = Pins(folder, self._version())
        self._retire_others(self._pins)
        self._users = scope.users
        self.start(policy, numbers.family())
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._opened.append(lambda: os.close(self._bell))
        self._wait.register(self._bell, select.EPOLLIN)
        self._fresh = Fresh(self._probes.label_of, self._first_run, self._in_scope, self.wake)
        self._opened.append(self._fresh.stop)
        self._before_threads()
        self._fresh.start()
        # Last: an earlier agent's guardian lets go of its file marks when it sees this.
        self._probes.beginnings().begin(self._run, scope.users)
        return self._run

    def _before_threads(self) -> None:
        """Fresh code is not answered for yet: the last moment to fork, and to say what else waits for it."""

    def _attached(self) -> None:
        self._run = self._probes.beginnings().adopt(self._run)
        self._probes.belong_to(self._run)

    def _retire_others(self, pins: Pins) -> None:
        """What another version kept begins no more runs; its guardian ends those it has."""
        for begun in pins.of_others("begun"):
            stop(begun)
            pins.drop()

    def begin_install(self, first: int, sites: Iterable[str], programs: Iterable[str]) -> None:
        """Let whoever would run what this install writes wait until that is marked."""
        self._fresh.begin_install(first, sites, programs)

    def end_install(self, first: int) -> None:
        """It is."""
        self._fresh.end_install(first)

    def grant(self, origin: int, allows: Sequence[Allow]) -> None:
        """As ever; whoever waited for it goes on."""
        super().grant(origin, allows)
        self._fresh.granted(origin)

    def follow(self, trees: Iterable[FreshTree], next_origin: Callable[[], int]) -> None:
        """Mark fresh code."""
        self._fresh.next_origin = next_origin
        self._fresh.follow(trees)

    def follow_again(self, purls: Iterable[str]) -> None:
        """Mark what has appeared since."""
        self._fresh.again(purls)

    def trust(self, purl: str) -> None:
        """Begin nothing for it any more."""
        self._fresh.trust(purl)

    def unfollow(self, purl: str) -> None:
        """Take the marks off."""
        self._fresh.unfollow(purl)

    def beside(self, tree: FreshTree) -> set[FreshTree]:
        """Who shares its places."""
        return self._fresh.marks.beside(tree)

    def gone(self, tree: FreshTree) -> None:
        """Take off the marks of these places."""
        self._fresh.marks.gone(tree)

    def unmarked(self) -> list[str]:
        """Gaps, each told once."""
        gaps = self._fresh.marks.gaps
        return [gaps.popleft() for _ in range(len(gaps))]

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
        return given(self._run)

    def begin(
        self, run: int, pid: int, actor: Actor, stage: Stage, origin: int, *, off: bool = False
    ) -> None:
        """Label a live process as the first of a run."""
        self._probes.set_label(pid, actor, stage, origin, OFF if off else 0, run=run)

    def forget(self, origins: Iterable[int]) -> None:
        """Drop what these origins were allowed and have touched."""
        gone = frozenset(origins)
        for origin in gone:
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
