"""The `rootless` backend put together: one confined thread, one listener, one loop."""

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from pratique import host as this_host
from pratique.backends import seccomp, syscalls
from pratique.backends.base import Command, Ended, Host, Losses, Support
from pratique.backends.hooks import launch
from pratique.backends.rootless import gaps, hosts
from pratique.backends.rootless.bound import Bound
from pratique.backends.rootless.capability import ENCLOSED, LANDLOCK, TRACED, capability, copies, tier
from pratique.backends.rootless.changes import Changes
from pratique.backends.rootless.confine import Confined, Traced
from pratique.backends.rootless.connections import Connections
from pratique.backends.rootless.enclosed import Enclosed
from pratique.backends.rootless.guarded import Guarded, Patterns, reachable
from pratique.backends.rootless.judge import Judge
from pratique.backends.rootless.listener import Listener
from pratique.backends.rootless.opens import Opens
from pratique.backends.rootless.programs import Programs, temporary
from pratique.backends.rootless.quiet import Quiet
from pratique.backends.rootless.reach import Reach
from pratique.backends.rootless.rooms import Rooms
from pratique.backends.rootless.routes import Routes
from pratique.backends.rootless.sockets import Copied, Made, Sockets
from pratique.backends.rootless.supervisor import Supervisor, handlers
from pratique.backends.rootless.tasks import Label, Tasks, children
from pratique.backends.rootless.tracing import Tracer
from pratique.backends.rootless.views import Inside, Shared, View
from pratique.backends.rootless.zones import Zones
from pratique.errors import GuardError
from pratique.model import Coverage, Event, Settlement
from pratique.policy.lower import FilePlan, file_plan
from pratique.policy.model import Allow, Policy
from pratique.words import Actor, Stage

_ABI_SCOPES = 6
_SERVE = 0.001
_NOTHING = ".pratique-awaited"
_TEMPORARY = "/tmp"  # noqa: S108


class RootlessBackend:
    """No privilege at all: see `backends.base.Backend` for the life of a backend."""

    name = "rootless"

    def __init__(self, host: Host) -> None:
        self._host = host
        self._opened: list[Callable[[], None]] = []
        """What `close` undoes, last first."""
        self._supervisor: Supervisor | None = None
        self._confined: Confined | None = None
        self._ended: Ended | None = None
        self._tier = tier()
        self.variant = f"-{self._tier}{'' if copies() else '-made'}"
        """What is proved of one tier is not proved of another."""
        self._gaps: list[str] = gaps.of_tier(self._tier)

    def supported(self) -> Support:
        """Whether a child can be confined and answered here."""
        return capability()

    def start(self, policy: Policy, run: int) -> None:
        """Find what is to be guarded, and where everybody is free."""
        self._policy = policy
        self._sockets: Sockets = Copied() if copies() else Made()
        self._opened.append(self._sockets.close)
        self._gaps += gaps.OF_MADE_SOCKETS if self._sockets.made_here else []
        self._judge = Judge(policy, run, self._host.homes, self._host.project)
        self._tasks = Tasks(os.getpid(), tuple(children(os.getpid())))
        self._opened.append(self._tasks.close)
        self._rooms = Rooms()
        self._opened.append(self._rooms.close)
        self._rooms.of_home(os.environ.get("HOME", ""))
        # What lies in a home that its user cannot enter is out of reach without any help of ours.
        homes = [home for home in self._host.homes if os.access(home, os.X_OK)]
        self._plan = file_plan(policy, homes, self._host.project)
        patterns = Patterns(policy, self._host.homes, self._host.project)
        self._guarded = Guarded(self._plan, patterns)
        self._quiet = Quiet(self._tasks)
        self._zones = _zones(self._plan, policy, bounded=self._tier <= LANDLOCK)
        self._rooms.of_project(self._host.project, self._zones)
        linked = (f"{path} has other names: through those it is not guarded" for path in self._guarded.linked)
        self._gaps += linked

    def spawn(self, command: Command) -> int:
        """Start the command behind the ruleset and the filter, and serve it until it runs."""
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
        command = self._roomed(command)
        made = self._sockets.made_here or self._tier == ENCLOSED
        program = seccomp.listening(signals=not self._scoped(), sockets=made)
        confined = self._confined = self._confining(program)
        self._opened.append(confined.close)
        supervisor = self._supervisor = self._build(confined.start(command, self._born))
        supervisor.own = confined.thread
        while not confined.is_started():
            supervisor.serve(_SERVE)
        confined.raise_failure()
        if confined.child is None:
            raise GuardError("the command was not started")
        self._watch(supervisor, confined.child.pid)
        return confined.child.pid

    def _confining(self, program: bytes) -> Confined:
        ruleset = self._zones.ruleset()
        if self._tier == ENCLOSED:
            return Enclosed(ruleset, program)
        return Traced(seccomp.traced(program)) if self._tier == TRACED else Confined(ruleset, program)

    def _scoped(self) -> bool:
        """Whether something else keeps signals inside, or nothing is to be refused."""
        scopes = self._tier == LANDLOCK and syscalls.landlock_abi() >= _ABI_SCOPES
        return scopes or self._tier == ENCLOSED or self._policy.mode == "audit"

    def _roomed(self, command: Command) -> Command:
        """The command with folders that it may fill, and a temporary directory of its own where that is needed."""
        environment = command.environment
        own = self._rooms.temporary(environment.get("TMPDIR") or _TEMPORARY, self._zones)
        return Command(command.argv, command.cwd, {**environment, "TMPDIR": own}) if own else command

    def _born(self, pid: int) -> None:
        """Label the command, before it is executed."""
        if isinstance(self._confined, Enclosed):
            self._tasks.enclose(self._confined.first)
        self._tasks.add(pid, self._tasks.root, Label(Actor.COMMAND, Stage.RESOLVE))

    def _watch(self, supervisor: Supervisor, pid: int) -> None:
        task = self._tasks.get(pid)
        if task is not None:
            supervisor.command = pid
            supervisor.watch(task)

    def _build(self, listener: Listener | Tracer) -> Supervisor:
        reach = Reach(self._judge, self._tasks, self._view())
        opens = Opens(self._judge, self._zones, self._guarded, reach, listener)
        self._opens = opens
        changes = Changes(self._judge, self._zones, self._guarded, opens.written)
        brokers = {os.path.realpath(place.path): place.group for place in self._plan.ipc}
        if agent := os.environ.get("SSH_AUTH_SOCK"):
            brokers[os.path.realpath(agent)] = "ipc.agents"
        connections = self._connections(listener, brokers)
        self._opened.append(connections.workers.close)
        programs = Programs(
            self._judge, self._tasks, self._host.patterns, self._plan.exec, temporary(), opens.written
        )
        rows = handlers(opens, changes, connections, programs, reach, self._judge)
        supervisor = Supervisor(
            listener, self._judge, self._tasks, programs, rows, self._quiet.note, opens.came_back
        )
        self._opened.append(supervisor.close)
        return supervisor

    def _connections(self, listener: Listener | Tracer, brokers: Mapping[str, str]) -> Connections:
        outside = Bound(self._tasks)
        if isinstance(self._confined, Enclosed) and isinstance(listener, Listener):
            inside = Bound(self._tasks, str(self._confined.first))
            return Routes(self._judge, listener, brokers, inside, outside)
        return Connections(self._judge, listener, brokers, self._sockets, outside)

    def _view(self) -> View:
        if not isinstance(self._confined, Enclosed):
            return Shared()
        view = Inside(self._confined.first, self._tasks)
        self._opened.append(view.close)
        return view

    def ended(self) -> Ended | None:
        """How the command ended; it is reaped on the way."""
        child = self._confined.child if self._confined else None
        if self._confined and self._ended is None and child is not None and child.ended():
            status, number = self._confined.wait()
            self._ended = Ended(None if number else status, number, child.exec_error)
        return self._ended

    def label(self, pid: int, settlement: Settlement, allows: Sequence[Allow] = ()) -> None:
        """Label a live process as what the settlement says, origin 1."""
        if allows:
            self._judge.grant(1, allows, hosts.resolve(allows))
        task = self._tasks.get(pid)
        if task is not None:
            self._relabel(pid, Label(settlement.actor, settlement.stage, 1))

    def events(self, timeout: float) -> Iterable[Event]:
        """Answer for a while; what came of it, and who waits to be settled."""
        if self._supervisor is None:
            return
        pending = self._supervisor.serve(timeout)
        yield from self._drain()
        if pending is not None:
            yield pending

    def _drain(self) -> Iterable[Event]:
        events = self._judge.events
        for _ in range(len(events)):
            yield events.popleft()

    def settle(self, event: Event, settlement: Settlement, origin: int, allows: Sequence[Allow]) -> None:
        """Fix the label, then its allows, then answer the call it waits in."""
        if origin:
            self._judge.grant(origin, allows, hosts.resolve(allows))
        self._relabel(event.pid, Label(settlement.actor, settlement.stage, origin))
        if self._supervisor is not None:
            self._supervisor.settled(event.pid)

    def recognised(self, event: Event, actor: Actor) -> None:
        """What the manager is that this exec began, unless it is something else by now."""
        task = self._tasks.get(event.pid)
        if task is not None and not task.pending and task.label.actor is Actor.MIXED:
            self._relabel(event.pid, task.label._replace(actor=actor))

    def _relabel(self, pid: int, label: Label) -> None:
        task = self._tasks.get(pid)
        if task is not None:
            task.pending = False
            self._tasks.relabel(task, label)
            self._quiet.note()

    def refuse(self, event: Event) -> None:
        """End the stopped process of a pending exec."""
        launch.kill_one(event.pid, self._tasks.living)

    def written_by_package(self, path: str) -> bool:
        """Whether package code of this run may have written the file."""
        return self._quiet.may_have_written(path)

    def survivors(self) -> list[int]:
        """Every process below us that still lives."""
        return self._tasks.survivors()

    def finish(self) -> None:
        """End every process of the run."""
        if self._confined is None or not self._confined.end():
            launch.end(self.survivors, grace=0)

    def update(self, policy: Policy) -> None:
        """Decide by another policy from now on; what Landlock holds stays as it was."""
        self._policy = self._judge.policy = policy

    def losses(self) -> Losses:
        """Calls that a defect of ours refused."""
        return Losses(reads=self._supervisor.failures if self._supervisor else 0)

    def counts(self) -> dict[str, int]:
        """Totals per run."""
        return dict(self._judge.counts)

    def gaps(self) -> list[str]:
        """What this run could not cover, one line each."""
        defects = self._supervisor.errors if self._supervisor else []
        return [*self._gaps, *(f"a call was refused for a defect: {text}" for text in dict.fromkeys(defects))]

    def coverage(self) -> list[Coverage]:
        """Rows proved by refusals in a child."""
        from pratique.backends import coverage  # noqa: PLC0415 (a run does not prove again)
        from pratique.backends.rootless.claims import claims  # noqa: PLC0415

        return coverage.prove(_AsInside, coverage.rows(claims(self._tier, made=not copies())))

    def close(self) -> None:
        """End what still runs, then undo everything, last first."""
        if self._confined is not None and self._opened:
            with contextlib.suppress(GuardError):
                self.finish()
        while self._opened:
            self._opened.pop()()


class _AsInside(RootlessBackend):
    """For the proof, whose attempts say who they were by the numbers they knew."""

    def events(self, timeout: float) -> Iterable[Event]:
        for event in super().events(timeout):
            pending = event.exec is not None and event.exec.pending
            yield event if pending else event._replace(pid=self._tasks.numbers.get(event.pid, event.pid))


def _zones(plan: FilePlan, policy: Policy, *, bounded: bool) -> Zones:
    unreadable = [place.path for place in reachable(plan.read, write=False)]
    unwritable = [place.path for place in reachable([*plan.write, *plan.create], write=True)]
    # Where a place may yet come to be, what is made is the supervisor's to look at.
    unwritable += [f"{folder}/{_NOTHING}" for folder in plan.watch]
    unwritable.append(str(this_host.state_dir()))
    return Zones(unreadable, unwritable, free=policy.mode == "audit", bounded=bounded)
