"""The `lsm` backend for a whole host: what refuses is pinned and goes on without the agent."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pratique import resources
from pratique.backends.base import Hold, HostBackend
from pratique.backends.hooks.guardian import Guardian
from pratique.backends.hooks.records import FileRecord, Record
from pratique.backends.host_wide import HostWide
from pratique.backends.lsm.backend import LsmBackend, attachment
from pratique.backends.lsm.pins import end_of_daemon
from pratique.backends.lsm.programs import OBJECTS
from pratique.backends.lsm.stops import Stops
from pratique.backends.pins import Pins
from pratique.errors import GuardError
from pratique.model import Event
from pratique.policy.model import Policy


class WholeHost(HostWide, LsmBackend):
    """See `backends.base.HostBackend`."""

    def _version(self) -> str:
        programs = resources.probes() / OBJECTS[attachment()]
        return hashlib.sha256(programs.read_bytes()).hexdigest()[:32]

    def _before_threads(self) -> None:
        """The guardian holds the gate of fresh code, and ends the guard if nobody takes over."""
        self._stops = Stops(self._lsm)
        self._stops.end()  # what an earlier agent has left
        self._opened.append(self._stops.end)
        fds = self._probes.fds()
        links = [fd for name, fd in fds.items() if name not in ("labels", "begun")]
        self._guardian = Guardian(
            self._fresh.gate,
            fds["labels"],
            self._run,
            (*links, *self._stops.fds),
            begun=fds["begun"],
            needed=False,
            tend=self._stops.tend,
        )
        self._guardian.start()
        self._opened.append(self._guardian.release)

    def _retire_others(self, pins: Pins) -> None:
        """The trees of another version end first: without its programs nobody would refuse them anything."""
        end_of_daemon(self._folder, but=self._version())
        super()._retire_others(pins)

    def hold_refusals(self, hold: Hold, reader: int) -> None:
        """The kernel has answered; it stops whose line is wanted, where nobody minds (ADR 66)."""
        self._fresh.exempt = frozenset({reader})
        self._stops.hold = hold

    def events(self, timeout: float) -> Iterable[Event]:
        """As ever."""
        self._guardian.beat()
        if self._guardian.alive():  # else nobody would see to it that a stop is short
            self._stops.beat()
        yield from super().events(timeout)

    def _noted(self, record: Record) -> None:
        if isinstance(record, FileRecord) and record.head.stopped:
            self._stops.note(record)

    def leave(self) -> None:
        """Hand over: until the next agent reads lines, nobody is stopped for one."""
        self._stops.end()
        super().leave()

    def close(self) -> None:
        """End every labelled tree, then the guard itself."""
        super().close()
        if self._pins is not None:
            self._groups.unlink(missing_ok=True)

    def update(self, policy: Policy) -> None:
        """Put another policy in force; groups keep their numbers, also for the next agent."""
        super().update(policy)
        self._note_groups()

    def _start(self, policy: Policy) -> None:
        super()._start(policy)
        self._note_groups()

    def _known_groups(self) -> Sequence[str]:
        """Groups of the plan that an earlier agent left in force: objects in the kernel name them by number."""
        with contextlib.suppress(OSError, ValueError):
            return [str(name) for name in json.loads(self._groups.read_text(encoding="utf-8"))]
        if self._pins is not None and self._pins.held():
            raise GuardError(
                f"{self._groups} is missing or broken", "pratique uninstall lets go of everything"
            )
        return ()

    def _note_groups(self) -> None:
        beside = self._groups.with_suffix(".new")
        beside.write_text(json.dumps(list(self._plan.groups)), encoding="utf-8")
        beside.rename(self._groups)

    @property
    def _groups(self) -> Path:
        return self._folder.with_name(f"{self._folder.name}.groups")


if TYPE_CHECKING:
    _IS_ONE: type[HostBackend] = WholeHost
