"""Every run in flight: events to their runs, reports when they are due."""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pratique import host, proc, settling
from pratique.backends.base import HostBackend
from pratique.daemon import journal
from pratique.daemon.first_runs import FirstRuns
from pratique.daemon.flight import Begun, Flight
from pratique.daemon.handing import Handing
from pratique.daemon.origins import origin_facts
from pratique.daemon.stacks import place_of
from pratique.daemon.state import Known, State
from pratique.errors import PratiqueError
from pratique.model import Event, Kind
from pratique.policy.model import Policy
from pratique.runs import escape
from pratique.runs.store import Store
from pratique.words import Action

_RECENT = 200
_ECHO_SECONDS = 60.0


class Flights:
    """The runs of one daemon; used by its main loop only."""

    def __init__(
        self,
        policy: Policy,
        backend: HostBackend,
        state: State,
        store: Store,
        jobs: Callable[[], None] = lambda: None,
        handing: Handing | None = None,
    ) -> None:
        """`jobs`: does what other threads have asked of the main loop. `handing`: takes runs for the collector."""
        self.policy = policy
        self.coverage: Any = ()
        self.recent: deque[dict[str, Any]] = deque(maxlen=_RECENT)
        """What rules minded lately, newest last."""
        self.source: Callable[[int, str], dict[str, Any] | None] = lambda _pid, _place: None
        """The line of code behind a refusal, where it is known."""
        self.look: Callable[[int, str, Sequence[str]], None] = lambda _pid, _place, _inside: None
        """See which line of these folders a refused process is at, if that is not known."""
        self.ended = 0
        self._backend, self._state, self._store, self._jobs = backend, state, store, jobs
        self._handing = handing
        self._live: dict[int, Flight] = {}
        self._past: dict[int, Known] = {}
        """Runs of an earlier daemon that nobody has told the end of."""
        self._origins = itertools.count(state.last_origin() + 1)
        self._echoes: dict[tuple[object, ...], float] = {}
        self.first_runs = FirstRuns(self, backend, state)

    def adopt(self) -> int:
        """Take over the runs that live since before this daemon; how many."""
        self._past = {run.number: run for run in self._state.unended()}
        members = self._backend.members()
        for number in {member.run for member in members.values()}:
            mine = {pid: member for pid, member in members.items() if member.run == number}
            self._adopt(number, mine, self._past.pop(number, None))
        for run in self._past.values():
            self._state.end(run.id, time.time(), *self._last_word(run.id))
        return len(self._live)

    def _last_word(self, run_id: str) -> tuple[str, int]:
        """Verdict and number of findings of a run whose processes are gone, as an earlier daemon left them."""
        told = self._told(run_id)
        return (told["run"]["verdict"], len(told["findings"])) if told else ("unknown", 0)

    def _told(self, run_id: str) -> dict[str, Any] | None:
        try:
            return self._store.load(run_id)
        except (OSError, PratiqueError):
            return None

    def take(self, events: Iterable[Event]) -> None:
        """Carry events to their runs, answer stopped processes, say what was refused."""
        self.first_runs.take()
        for event in events:
            flight = self._live.get(event.run) or self._begin(event)
            flight.take(event)
            self._follow_installs(flight, event)
            if event.is_asking:
                self._settle(flight, event)
            elif event.rule is not None and event.action is not Action.ALLOW:
                self._tell(flight, event)

    def _follow_installs(self, flight: Flight, event: Event) -> None:
        install = flight.installs.get(event.pid)
        if install is None:
            return
        if event.kind is Kind.EXEC:
            self.first_runs.expect(event.pid, install)
        elif event.kind is Kind.EXIT:
            del flight.installs[event.pid]
            self.first_runs.learn(event.pid, install, flight)

    def sweep(self) -> None:
        """Report what is due, forget what has ended."""
        due = [flight for flight in self._live.values() if flight.due()]
        if not due:
            return
        alive = self._backend.members()
        for flight in due:
            flight.pids = {pid for pid, member in alive.items() if member.run == flight.number}
            self._report(flight)
            if not flight.pids:
                self._forget(flight)

    def finish(self) -> None:
        """The guard ends: report everything as it is."""
        for flight in list(self._live.values()):
            self._report(flight)
            self._forget(flight)

    def leave(self) -> None:
        """Another daemon takes over, or none comes and the runs end: what is known of them so far is kept."""
        for flight in self._live.values():
            told = self._sum_up(flight, so_far=True)
            self._save(flight, told)
            if self._handing is not None:
                self._handing.give(told, flight, last=False)

    def of(self, number: int) -> Flight | None:
        """The run in flight with that number."""
        return self._live.get(number)

    def begun(
        self,
        pid: int,
        number: int,
        argv: tuple[str, ...],
        run_id: str | None = None,
        notes: tuple[str, ...] = (),
    ) -> Flight:
        """A run whose first process was labelled by hand."""
        flight = self._flight(Begun(number, pid, argv, run_id, notes))
        self._keep(flight)
        return flight

    def next_origin(self) -> int:
        """A number that no origin of any run has."""
        return next(self._origins)

    def snapshot(self) -> list[dict[str, Any]]:
        """What `status` shows of the runs now."""
        return [
            {
                "id": flight.run.id,
                "uid": flight.uid,
                "user": host.user_name(flight.uid),
                "command": list(flight.command),
                "began": flight.began,
                "processes": len(flight.pids),
                "refused": flight.refused,
                "confined": flight.first_ended is not None,
            }
            for flight in self._live.values()
        ]

    def _flight(self, begun: Begun) -> Flight:
        recorded = self._handing is not None and self._handing.wanted()
        return Flight(begun, self.policy, self._backend.name, self.next_origin, record=recorded)

    def _begin(self, event: Event) -> Flight:
        self._jobs()  # one of them may be to take note of this very run
        self.first_runs.take()
        if event.run in self._live:
            return self._live[event.run]
        past = self._past.pop(event.run, None)
        if past is not None:  # its processes are gone, what they did was not read yet
            self._adopt(event.run, {event.pid: None}, past)
            return self._live[event.run]
        argv = event.exec.argv if event.exec else proc.words_of(event.pid, "cmdline")
        return self.begun(event.pid, event.run, argv)

    def _keep(self, flight: Flight) -> None:
        flight.run.written_by_package = self._backend.written_by_package
        flight.lost_before = self._backend.losses().total
        self._live[flight.number] = flight
        self.first_runs.spare(flight)
        self._state.begin(
            Known(flight.run.id, flight.number, flight.uid, list(flight.command), None, flight.began)
        )

    def _adopt(self, number: int, members: Any, known: Known | None) -> None:
        first = min(members)
        argv = tuple(known.command) if known else proc.words_of(first, "cmdline")
        flight = self._flight(Begun(number, first, argv, known.id if known else None))
        if known is not None:
            flight.began = known.started
        flight.adopt(members, self._state.origins(number), self._told(known.id) if known else None)
        for pid, install in flight.installs.items():
            self.first_runs.expect(pid, install)
        self._keep(flight)

    def _settle(self, flight: Flight, event: Event) -> None:
        self.first_runs.take()  # what a manager was refused before it started this
        blocked = settling.settle(event, self.policy, self._backend, flight.run)
        for origin in flight.new_origins():
            self._state.keep_origin(flight.number, origin.number, origin_facts(origin))
        if blocked is not None:
            self._tell(flight, blocked)

    def _tell(self, flight: Flight, event: Event) -> None:
        origin = flight.run.origins().get(event.origin)
        purl = origin.settlement.identity.purl if origin else None
        line = journal.finding(event, purl, flight.run.id)
        self.recent.append(
            {"time": event.time, "uid": flight.uid, "run": flight.run.id, "text": line, "purl": purl}
        )
        if event.kind is Kind.ACT and event.action >= Action.DENY and not self._is_echo(flight, event):
            journal.say(line, journal.WARNING)
            self.look(event.pid, place_of(event.target), self.first_runs.code_of(flight.purls))

    def _is_echo(self, flight: Flight, event: Event) -> bool:
        key = (flight.number, event.rule, event.origin, str(event.target.get("path")))
        now = time.monotonic()
        told = self._echoes.get(key)
        if len(self._echoes) > _RECENT:
            self._echoes.clear()
        self._echoes[key] = now
        return told is not None and now - told < _ECHO_SECONDS

    def _report(self, flight: Flight) -> None:
        told = self._sum_up(flight)
        self._save(flight, told)
        if self._handing is not None:
            self._handing.give(told, flight, last=not flight.pids)
        run = told["run"]
        self._state.end(run["id"], time.time(), run["verdict"], len(told["findings"]))

    def _sum_up(self, flight: Flight, *, so_far: bool = False) -> dict[str, Any]:
        told = flight.report(self.coverage, self._backend.losses().total, so_far=so_far)
        for found in told["findings"]:
            line = self.source(found["process"]["pid"], place_of(found["target"]))
            found["source"] = escape.unicode_only(line) or found["source"]
        return told

    def _save(self, flight: Flight, told: dict[str, Any]) -> None:
        try:
            self._store.save(told)
        except (OSError, PratiqueError) as error:
            journal.say(f"the report of run {flight.run.id} cannot be kept: {error}", journal.ERROR)

    def _forget(self, flight: Flight) -> None:
        del self._live[flight.number]
        for pid in flight.installs:
            self._backend.end_install(pid)
        self.ended += 1
        self.first_runs.ended(flight)
        self._state.forget_origins(flight.number)
        self._backend.forget(flight.run.origins())
