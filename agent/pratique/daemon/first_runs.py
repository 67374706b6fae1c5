"""Fresh packages: learned from an install, watched until they have shown how they behave or are approved."""

import os
import signal
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from pratique import managers
from pratique.backends.base import FreshOpened, FreshTree, HostBackend
from pratique.daemon import installed, journal
from pratique.daemon.flight import Flight
from pratique.daemon.installed import Install
from pratique.daemon.origins import origin_facts
from pratique.daemon.state import Package, State
from pratique.model import Event, Identity, Kind, Settlement
from pratique.policy import allows
from pratique.policy.model import BLOCKED
from pratique.proc import words_of
from pratique.runs.attribution import Origin
from pratique.words import Act, Action, Actor, Level, Quality, Stage

_SPARED = 64
_LOOKED_AFTER = 200
"""More than an install brings, as a rule: then what is removed is forgotten as fast as new packages come."""

if TYPE_CHECKING:
    from pratique.daemon.flights import Flights


class FirstRuns:
    """What is fresh on this host, and who runs it; used by the main loop only."""

    def __init__(self, flights: "Flights", backend: HostBackend, state: State) -> None:
        self._flights, self._backend, self._state = flights, backend, state
        self._spared: deque[FreshOpened] = deque(maxlen=_SPARED)
        """What managers were refused lately."""

    def resume(self) -> int:
        """Watch what was fresh before this daemon; how many packages."""
        installed.warm()
        trees = self._state.fresh(time.time())
        self._backend.follow(trees, self._flights.next_origin)
        self.watch_named()
        return len(trees)

    def watch_named(self) -> None:
        """Watch known packages that are fresh no more where the policy has a word on them: a block, or what they may.

        What they may counts in a run that something fresh began: a cloud SDK that everybody has approved reads its
        own credentials there, too.
        """
        policy = self._flights.policy
        if not policy.blocks and not policy.allows:
            return
        for purl, package in self._state.packages(time.time()).items():
            may = not package.is_fresh and self._may_something(_identity(purl, package))
            for tree in package.trees:
                blocked = allows.blocked(policy, Identity(Quality.CLAIMED, purl, digest=tree.digest))
                if blocked or may:
                    self._backend.follow([tree], self._flights.next_origin)
                if may and not blocked:
                    self._backend.trust(purl)

    def expect(self, pid: int, install: Install) -> None:
        """An install has begun."""
        self._backend.begin_install(pid, installed.sites(install), installed.programs(pid, install))

    def learn(self, pid: int, install: Install, flight: Flight) -> None:
        """An install's first process has ended: what it wrote is fresh from now on."""
        now = time.time()
        try:
            trees = list(installed.found(install, flight.run.written_by_package))
            flight.installed |= dict.fromkeys(installed.listed(trees))
            for tree in trees:
                if tree.verified and tree.purl.rpartition("@")[0] in managers.own():
                    continue  # it acts as the manager it is, and what it installs is named after itself
                self._state.keep_package(tree, now)
                self._drop_replaced(tree)
                if self._state.is_fresh(tree.purl, now):
                    self._backend.follow([tree], self._flights.next_origin)
        except Exception as error:  # noqa: BLE001 (what hostile records break must not end the guard)
            journal.say(f"what process {pid} installed is not known: {error!r}", journal.ERROR)
        finally:
            self._backend.end_install(pid)
        self._drop_removed()
        for gap in self._backend.unmarked():
            journal.say(gap, journal.WARNING)

    def _drop_replaced(self, tree: FreshTree) -> None:
        """What lay in its places before: else both versions would be candidates for whatever the new one does."""
        for old in (*self._state.versions(tree.purl), *self._backend.beside(tree)):
            if installed.is_replaced(old, tree):
                self._gone(old)

    def _drop_removed(self) -> None:
        """A build server makes and removes environments all day: each install looks after a few of those before."""
        for tree in self._state.some(_LOOKED_AFTER):
            if installed.is_removed(tree):
                self._gone(tree)

    def _gone(self, tree: FreshTree) -> None:
        self._state.gone(tree)
        self._backend.gone(tree)

    def take(self) -> None:
        """Turn what the gate saw into runs."""
        noted = self._backend.opened()
        # A program that imports forty packages joins forty times: only the last word counts, also of one that
        # has just begun, for its opens wait until this is granted.
        last = {opened.origin: opened for opened in noted if opened.what != "refused"}
        for opened in noted:
            if opened.what == "refused":
                self._refused(opened)
            elif opened.what == "began":
                self._begin(opened)
        for opened in last.values():
            self._joined(opened)

    def ended(self, flight: Flight) -> None:
        """A first run has ended: without a refusal it counts for its packages."""
        if not flight.purls:
            return
        self._backend.follow_again(flight.purls)
        if not flight.refused:
            for purl in self._state.ran_clean(flight.purls, time.time()):
                self._trust(purl)

    def code_of(self, purls: Iterable[str]) -> list[str]:
        """Folders and files of these packages."""
        now = time.time()
        trees = [tree for purl in purls for tree in self._state.package(purl, now).trees]
        return [place for tree in trees for place in (*tree.directories, *tree.files)]

    def approve(self, purl: str) -> bool:
        """Trust it from now on; False when it is not known here."""
        known = self._state.approve(purl)
        if known:
            self._trust(purl)
        return known

    def forget(self, purl: str) -> bool:
        """It is fresh again; False when it is not known here."""
        known = self._state.distrust(purl)
        if known:
            self.resume()
        return known

    def _trust(self, purl: str) -> None:
        if self._may_something(self._identity((purl,))):
            self._backend.trust(purl)
        else:
            self._backend.unfollow(purl)

    def _may_something(self, identity: Identity) -> bool:
        return bool(allows.allows_for(self._flights.policy, identity, Stage.FIRST_RUN))

    def _begin(self, opened: FreshOpened) -> None:
        if self._flights.of(opened.run) is None:
            self._flights.begun(opened.pid, opened.run, words_of(opened.pid, "cmdline"))

    def _joined(self, opened: FreshOpened) -> None:
        flight = self._flights.of(opened.run)
        if flight is not None:
            self._know(flight, opened)

    def _refused(self, opened: FreshOpened) -> None:
        names = ", ".join(opened.purls)
        journal.say(f"denied a manager (pid {opened.pid}) {opened.path} of {names}: it would run in it")
        self._spared.append(opened)
        flight = self._flights.of(opened.run)
        if flight is not None:
            self.spare(flight)

    def spare(self, flight: Flight) -> None:
        """What its managers were refused is not in them; it may be known before the run is."""
        for opened in self._spared:
            if opened.run == flight.number:
                flight.run.spare(opened.path)

    def _know(self, flight: Flight, opened: FreshOpened) -> None:
        """Which packages may have acted: one is named, several are candidates."""
        flight.purls = opened.purls
        identity = self._identity(opened.purls)
        settlement = Settlement(
            Actor.PACKAGE, Stage.FIRST_RUN, identity, new_origin=True, reason=f"it runs {opened.path}"
        )
        origin = Origin(opened.origin, opened.pid, flight.command, flight.cwd, None, settlement)
        flight.run.know(origin)
        self._state.keep_origin(flight.number, origin.number, origin_facts(origin))
        each = [self._identity((purl,)) for purl in opened.purls]
        policy = self._flights.policy
        if any(allows.blocked(policy, one) for one in each):
            self._stop(opened)
            return
        granted = [allow for one in each for allow in allows.allows_for(policy, one, Stage.FIRST_RUN)]
        self._backend.grant(opened.origin, granted)

    def _stop(self, opened: FreshOpened) -> None:
        """A blocked package: its process ends as soon as the daemon hears of it, a moment after it began."""
        with suppress(OSError):
            held = os.pidfd_open(opened.pid)
            try:
                signal.pidfd_send_signal(held, signal.SIGKILL)
            finally:
                os.close(held)
        event = Event(
            time.time(),
            Kind.ACT,
            opened.pid,
            0,
            opened.run,
            opened.origin,
            Stage.FIRST_RUN,
            Actor.PACKAGE,
            act=Act.EXEC,
            action=Action.KILL,
            rule=BLOCKED.id,
            level=Level.KILLED_AFTER,
            target={"exe": opened.path},
        )
        self._flights.take([event])

    def _identity(self, purls: tuple[str, ...]) -> Identity:
        if len(purls) > 1:
            return Identity(candidates=purls)
        return _identity(purls[0], self._state.package(purls[0], time.time()))


def _identity(purl: str, package: Package) -> Identity:
    quality = Quality.VERIFIED if package.is_verified else Quality.CLAIMED
    return Identity(quality, purl, digest=package.digest)
