"""`pratique daemon`: set up once, carry events until told to end."""

import fcntl
import gc
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pratique import __version__, host, managers
from pratique.backends import choice, memory
from pratique.backends.base import Host
from pratique.daemon import journal, notify
from pratique.daemon.config import Settings
from pratique.daemon.control import Control
from pratique.daemon.flights import Flights
from pratique.daemon.handing import Handing
from pratique.daemon.places import Places
from pratique.daemon.stacks import Stacks
from pratique.daemon.state import State
from pratique.errors import GuardError, PratiqueError, UsageError
from pratique.policy import cache, sources
from pratique.policy.model import Policy
from pratique.runs.store import Store
from pratique.telemetry.place import Place

POLL_SECONDS = 0.2
_SWEEP_SECONDS = 0.5
_PROOF_SECONDS = 12.0
_NO_HOME = "/nonexistent"
T = TypeVar("T")


class Answers(NamedTuple):
    """What can be told at any moment without asking the main loop."""

    daemon: dict[str, Any]
    runs: list[dict[str, Any]]
    recent: list[dict[str, Any]]


class Service:
    """One daemon: the main loop, and what the control socket may ask of it."""

    def __init__(self, places: Places, settings: Settings) -> None:
        self.places = places
        self._settings = settings
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._ending: str | None = None
        self._began = time.time()
        self.answers = Answers({}, [], [])
        self.stacks = Stacks()

    def serve(self) -> int:
        """Guard until SIGTERM (hand over to the next daemon) or SIGINT (end the guard); 0."""
        lock = _only_one(self.places.lock)
        self.policy = load_policy(self.places.state)
        machine = Host(
            homes=self._settings.all_homes(),
            project=_NO_HOME,
            patterns=managers.patterns(),
            resolvers=host.resolvers(),
        )
        self.backend = choice.whole_host(machine)
        self.state = State(self.places.database)
        self.backend.watch(self.policy, self._settings.scope(), str(self.places.pins))
        try:
            self._guard()
        except GuardError:
            self.backend.close()
            raise
        finally:
            self.stacks.stop()
            self.state.close()
            os.close(lock)
        return 0

    def in_main_loop(self, job: Callable[[], T]) -> T:
        """Have the main loop do it, and wait; from any other thread."""
        return self.later(job).result(timeout=15)

    def later(self, job: Callable[[], T]) -> "Future[T]":
        """Have the main loop do it, soon and before it meets what happens after this call."""
        future: Future[T] = Future()
        self._jobs.put((job, future))
        self.backend.wake()
        return future

    def reload(self) -> Policy:
        """Read the policy files again; `PratiqueError` and the old policy in force if they are wrong."""
        policy = load_policy(self.places.state)
        self.in_main_loop(lambda: self._put_in_force(policy))
        return policy

    def end_for_good(self) -> None:
        """End the guard as SIGINT does."""
        self._ending = "end"

    def _guard(self) -> None:
        managers.warm()
        self.stacks.start()
        self.backend.hold_refusals(self.stacks.hold, self.stacks.pid)
        store = Store(self.places.state / "runs")
        self.handing = Handing(Place(self.places.state))
        self.flights = Flights(self.policy, self.backend, self.state, store, self._do_jobs, self.handing)
        self.flights.source, self.flights.look = self.stacks.source, self.stacks.look
        adopted = self.flights.adopt()
        self.flights.first_runs.resume()
        control = Control(self)
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        signal.signal(signal.SIGHUP, lambda _number, _frame: self._reload_later())
        self._turn()
        control.start()
        self._prover = threading.Thread(target=self._prove, name="pratique-prove", daemon=True)
        self._prover.start()
        notify.tell(notify.READY)
        journal.say(self._greeting(adopted))
        gc.freeze()  # all this stays: to look through it again and again would keep openers waiting
        while self._ending is None:
            self._turn()
        notify.tell(notify.STOPPING)
        control.stop()
        self._leave()
        self.handing.close()

    def _turn(self) -> None:
        self.flights.take(self.backend.events(POLL_SECONDS))
        self._do_jobs()
        now = time.monotonic()
        if now - getattr(self, "_swept", 0.0) >= _SWEEP_SECONDS:
            self._swept = now
            self.flights.sweep()
            self._note_answers()
            notify.tell(notify.ALIVE)

    def _do_jobs(self) -> None:
        while not self._jobs.empty():
            _do(*self._jobs.get())

    def _note_answers(self) -> None:
        facts = {
            "version": __version__,
            "pid": os.getpid(),
            "began": self._began,
            "backend": self.backend.name,
            "profile": self.policy.profile,
            "mode": self.policy.mode,
            "policy": self.policy.digest,
            "scope": self._settings.scope().users,
            "ended_runs": self.flights.ended,
            "lost": self.backend.losses().total,
            "note": self.state.note,
            "coverage_rows": len(self.flights.coverage),
        }
        self.answers = Answers(facts, self.flights.snapshot(), list(self.flights.recent))

    def _put_in_force(self, policy: Policy) -> None:
        self.backend.update(policy)
        self.policy = self.flights.policy = policy
        self.flights.first_runs.watch_named()

    def _leave(self) -> None:
        if self._ending == "hand over":
            self.flights.take(self.backend.events(0))
            self.backend.leave()
            journal.say("handed over: what refuses stays in force for the next daemon")
            self.flights.leave()
            return
        self._await_proof()
        self.backend.finish()
        self.flights.take(self.backend.events(0))
        self.flights.finish()
        self.backend.close()
        journal.say("the guard has ended")

    def _await_proof(self) -> None:
        """It would leave its decoys behind. Events are carried on: a silent agent is ended by its guardian."""
        deadline = time.monotonic() + _PROOF_SECONDS
        while self._prover.is_alive() and time.monotonic() < deadline:
            self.flights.take(self.backend.events(POLL_SECONDS))

    def _end(self, number: int, _frame: object) -> None:
        self._ending = "hand over" if number == signal.SIGTERM else "end"

    def _reload_later(self) -> None:
        threading.Thread(target=self._reload_told, name="pratique-reload", daemon=True).start()

    def _reload_told(self) -> None:
        try:
            journal.say(f"policy {self.reload().digest} in force")
        except PratiqueError as error:
            journal.say(f"the old policy stays in force: {error}", journal.ERROR)

    def _prove(self) -> None:
        """What is covered without a static layer, for the reports; proved once per boot, in a child."""
        self.flights.coverage = memory.coverage_of_found()

    def _greeting(self, adopted: int) -> str:
        users = self._settings.scope().users
        whom = "everybody" if users is None else f"only users {', '.join(map(str, users))}"
        taken = f", {adopted} runs taken over" if adopted else ""
        note = f"; {self.state.note}" if self.state.note else ""
        return f"guarding {whom}, backend {self.backend.name}, profile {self.policy.profile}{taken}{note}"


def load_policy(state: Path) -> Policy:
    """The host's policy: shipped, `/etc/pratique` and the collector's; no user's files."""
    return cache.load(sources.Request(home=_NO_HOME, project=None, state=str(state)))


def _do(job: Callable[[], Any], future: "Future[Any]") -> None:
    try:
        future.set_result(job())
    except Exception as error:  # noqa: BLE001 (whoever asked gets it)
        future.set_exception(error)


def _only_one(path: Path) -> int:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UsageError("a daemon runs already", "pratique status shows it") from None
    return descriptor
