"""One run in flight: what the daemon knows of it besides the `Run` itself."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pratique import host, managers, proc
from pratique.backends.base import Member
from pratique.daemon.config import home_of
from pratique.daemon.handing import MOST_RECORDED
from pratique.daemon.installed import Install
from pratique.daemon.origins import origin_of
from pratique.model import Event, Exec, Installed, Kind
from pratique.policy.model import Policy
from pratique.proc import words_of
from pratique.runs import joining
from pratique.runs import report as reports
from pratique.runs.attribution import Origin
from pratique.runs.run import Given, Run
from pratique.words import MANAGERS, Action

GRACE = 2.0
"""Seconds that descendants have after the first process, as after a wrapped command."""
_SO_FAR = "the daemon handed over while this ran: what came after is not in this report"
_JOINED = "one daemon handed this run over to another: what each of them saw is joined here"
_LATE = "an earlier daemon did not hand this run over: what it saw after its last report is not in this one"
_UNTOLD = "taken over from an earlier daemon: what happened before is not in this report"


class Begun(NamedTuple):
    """How a run began, as far as it is known."""

    number: int
    first: int
    """Its first process."""
    argv: tuple[str, ...]
    run_id: str | None = None
    notes: tuple[str, ...] = ()


class Flight:
    """A run that nobody wrapped, from its first event to the end of its last process."""

    def __init__(
        self,
        begun: Begun,
        policy: Policy,
        backend: str,
        next_origin: Callable[[], int],
        *,
        record: bool = False,
    ) -> None:
        """`record`: keep its events, for the collector."""
        self.number, self.first, self.command = begun.number, begun.first, begun.argv
        self.notes = list(begun.notes)
        self.purls: tuple[str, ...] = ()
        """Fresh packages that act in it; none for an install."""
        self.installs: dict[int, Install] = {}
        """Managers that run in it, by pid."""
        self.installed: dict[Installed, None] = {}
        """What those that have ended left on the disk."""
        self.adopted = False
        """An earlier daemon saw its beginning."""
        self._before: dict[str, Any] | None = None
        """What earlier daemons told of it."""
        self.uid = proc.owner_of(self.first) or 0
        self.cwd, self.environment = proc.link_of(self.first, "cwd") or "/", proc.environment_of(self.first)
        home = home_of(self.uid)
        given = Given(
            run_id=begun.run_id,
            number=self.number,
            homes=[home] if home else [],
            next_origin=next_origin,
            record=record,
            most_recorded=MOST_RECORDED,
        )
        registry = managers.registry()
        self.run = Run(policy, self.command, self.cwd, self.environment, backend, registry, given)
        self.began = time.time()
        self.refused = 0
        self.lost_before = 0
        self.pids: set[int] = {self.first}
        self._exited: set[int] = set()
        self.first_ended: float | None = None
        self._status: int | None = None
        self._told = False
        self._known_origins: set[int] = set()

    def take(self, event: Event) -> None:
        """Take in an event of this run."""
        self.run.add(event)
        self.refused += event.kind is Kind.ACT and event.action >= Action.DENY
        if event.kind is not Kind.EXIT:
            self._note_alive(event)
            self._note_install(event)
            return
        self.pids.discard(event.pid)
        self._exited.add(event.pid)
        if event.pid == self.first and self.first_ended is None:
            self.first_ended = time.monotonic()
            self._status = event.target.get("status")

    def _note_alive(self, event: Event) -> None:
        # A refusal whose opener was looked at first may be told after its exit.
        if event.kind is not Kind.ACT:
            self._exited.discard(event.pid)
        if event.pid not in self._exited:
            self.pids.add(event.pid)

    def _note_install(self, event: Event) -> None:
        seen = event.exec
        if seen is not None and seen.argv and event.actor in MANAGERS:
            environment = self.environment if event.pid == self.first else proc.environment_of(event.pid)
            self.installs[event.pid] = Install(seen.argv, seen.cwd, environment, host.stamped(event.time))

    def due(self) -> bool:
        """Whether it is time for a report: the first process is gone, and whoever lives on has had its grace."""
        if self.first_ended is None:
            return not self.pids
        return not self.pids or (not self._told and time.monotonic() - self.first_ended >= GRACE)

    def report(self, coverage: Any, lost: int, *, so_far: bool = False) -> dict[str, Any]:
        """What is known; what still lives stays confined, and is listed. `so_far`: the run goes on without us."""
        if not self._told and not so_far:
            self.run.survivors(sorted(self.pids))
        self._told = self._told or not so_far
        status, signal = _ended(self._status)
        self.run.ended(status, signal, lost - self.lost_before, {})
        notes = [*self.notes, *([_SO_FAR] if so_far else [])]
        ending = reports.Ending(coverage=coverage, notes=notes, installed=tuple(self.installed))
        told = reports.build(self.run.summary(), ending)
        told["run"]["user"] = host.user_name(self.uid)
        return told if self._before is None else joining.joined(self._before, told)

    def adopt(
        self,
        members: Mapping[int, Member | None],
        origins: Mapping[int, dict[str, Any]],
        before: dict[str, Any] | None,
    ) -> None:
        """Take over the live processes of a run that an earlier daemon kept, and told `before` of."""
        self.adopted = True
        self._continue(before)
        for number, facts in origins.items():
            self.run.know(origin_of(number, facts))
            self._known_origins.add(number)
        for pid, member in sorted(members.items()):
            argv = self.command if pid == self.first else words_of(pid, "cmdline")
            self.pids.add(pid)
            if member is not None:
                event = _made_up(pid, argv, member)._replace(time=self.began)
                self._note_install(event)
                self.run.add(event)

    def _continue(self, before: dict[str, Any] | None) -> None:
        if before is None:
            self.notes.append(_UNTOLD)
            return
        said = before["run"]["notes"]
        self.notes.append(_JOINED if _SO_FAR in said else _LATE)
        kept = [note for note in said if note not in (_SO_FAR, _JOINED)]
        self._before = {**before, "run": {**before["run"], "notes": kept}}

    def new_origins(self) -> list[Origin]:
        """Origins that were found since the last call."""
        found = [origin for number, origin in self.run.origins().items() if number not in self._known_origins]
        self._known_origins.update(origin.number for origin in found)
        return found


def _made_up(pid: int, argv: tuple[str, ...], member: Member) -> Event:
    """The exec that an earlier daemon saw; what a process made of its own command line meanwhile stays."""
    seen = Exec(
        exe=proc.link_of(pid, "exe") or "/", interp="", argv=argv, cwd=proc.link_of(pid, "cwd") or "/"
    )
    return Event(
        time=time.time(),
        kind=Kind.EXEC,
        pid=pid,
        ppid=proc.parent_of(pid),
        run=member.run,
        origin=member.origin,
        stage=member.stage,
        actor=member.actor,
        exec=seen,
    )


def _ended(status: int | None) -> tuple[int | None, int | None]:
    if status is None:
        return None, None
    code = os.waitstatus_to_exitcode(status & 0xFFFF)
    return (code, None) if code >= 0 else (None, -code)
