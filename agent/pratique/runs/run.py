"""The state of one run: events come in cheaply, are judged in batches, and become a summary at the end."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from pratique import host
from pratique.managers.base import Learned, Manager, Stopped
from pratique.model import Event, Exec, Kind, Settlement
from pratique.policy.model import Policy
from pratique.runs import attribution, ulid
from pratique.runs.attribution import Origin
from pratique.runs.loads import Loads
from pratique.runs.tally import Peer, Tally
from pratique.runs.tree import Process, Tree, bounded
from pratique.words import MANAGERS, Actor, Stage

if TYPE_CHECKING:
    from pratique.runs.findings import Found
    from pratique.runs.judgement import Judgement

_BATCH = 8_192
# What a recording may hold: some 300 MB. What comes after is counted.
_MOST_RECORDED = 500_000
_MOST_COMMANDS = 1_000
_GUARDED = (*MANAGERS, Actor.PROJECT, Actor.PACKAGE)


class Summary(NamedTuple):
    """All that a report says of a run, before redaction and formatting."""

    id: str
    policy: Policy
    command: tuple[str, ...]
    cwd: str
    backend: str
    managers: Mapping[str, Manager]
    environment: tuple[str, ...]
    hosts: tuple[Learned, ...]
    homes: tuple[str, ...]
    number: int
    manager: str | None
    manager_argv: tuple[str, ...]
    guarded: bool
    """False when no manager, project or package code was ever seen: nothing was judged."""
    started: float
    ended: float
    setup_seconds: float | None
    exit_status: int | None
    signal: int | None
    lost_events: int
    survivors: tuple[int, ...]
    counts: Mapping[str, int]
    by_actor: Mapping[tuple[str, Actor], int]
    events_of: Mapping[int, int]
    stages_of: Mapping[int, frozenset[Stage]]
    origins: Mapping[int, Origin]
    egress: Mapping[Peer, int]
    findings: "tuple[Found, ...]"
    findings_omitted: int
    tree: Tree


class Settled(NamedTuple):
    """The answer a stopped process got, as a trace keeps it."""

    pid: int
    actor: Actor
    stage: Stage
    origin: int
    manager: str | None


class _End(NamedTuple):
    time: float
    exit_status: int | None
    signal: int | None
    lost_events: int
    counts: Mapping[str, int]


class Given(NamedTuple):
    """What a run is told that it would otherwise make up, or find out on this host."""

    clock: Callable[[], float] = time.time
    run_id: str | None = None
    number: int | None = None
    homes: Sequence[str] | None = None
    hosts: tuple[Learned, ...] | None = None
    """Where its manager fetched from: of a replay."""
    next_origin: Callable[[], int] | None = None
    """Where a backend holds several runs at once, their origins share one row of numbers."""
    record: bool = False
    """Keep everything that comes in, in order, for a trace and for telemetry."""
    most_recorded: int = _MOST_RECORDED

    @property
    def is_live(self) -> bool:
        """Not a replay: what lies on this host says nothing of a run that was elsewhere."""
        return self.hosts is None


_NOTHING = Given()


class Run:
    """One guarded command. `add` only appends; `settle` and `summary` judge what was added, in order."""

    def __init__(
        self,
        policy: Policy,
        command: Sequence[str],
        cwd: str,
        environment: Mapping[str, str],
        backend: str,
        managers: Mapping[str, Manager],
        given: Given = _NOTHING,
    ) -> None:
        self.policy, self.managers, self.environment = policy, managers, environment
        self._command, self._cwd, self._backend = tuple(command), cwd, backend
        self._given = given
        self._clock = given.clock
        self.began = given.clock()
        self.id = given.run_id or ulid.make(self.began)
        self.number = given.number or int.from_bytes(os.urandom(8)) | 1
        self._homes = _homes(environment) if given.homes is None else tuple(given.homes)
        self._learned = given.hosts
        self.recorded: list[Event | Settled] | None = [] if given.record else None
        self.written_by_package: Callable[[str], bool] = lambda _path: True
        """Until a backend can say, no file proves anything."""
        self.unrecorded = 0
        """What came in after the recording was full."""
        self._setup_seconds: float | None = None
        self._survivors: tuple[int, ...] = ()
        self._end: _End | None = None
        self._queue: list[Event] = []
        self._tree = Tree()
        self._origins: dict[int, Origin] = {}
        self._memory: dict[str, dict[str, object]] = {}
        self._manager: tuple[str, tuple[str, ...]] | None = None
        self._commands: dict[tuple[tuple[str, ...], str], None] = {}
        self._loads = Loads(managers, environment)
        self._guarded = False
        self._tally = Tally()

    def started(self, pid: int, setup_seconds: float | None = None) -> None:
        """The command runs with this pid; setting the guard up took so long."""
        self._setup_seconds = setup_seconds
        self._queue.append(
            Event(self._clock(), Kind.FORK, pid, os.getpid(), self.number, 0, Stage.RESOLVE, Actor.COMMAND)
        )

    def add(self, event: Event) -> None:
        """Take an event in: an append, judged with its batch."""
        self._queue.append(event)
        self._keep(event)
        if event.kind is Kind.EXEC and event.actor in MANAGERS and self._given.is_live:
            self._loads.begin(event)
        if len(self._queue) >= _BATCH:
            self._judge()

    def settle(self, event: Event) -> tuple[Settlement, int]:
        """Judge the stopped process of a pending exec that was added: what it is, and its origin number."""
        self._judge()
        self._hosts()  # now: package code may change the files that say so
        above = attribution.sponsor(self._tree.at(event), self.managers)
        memory = self._memory.setdefault(above.name if above else "", {})
        settlement, child = attribution.judge(event, above, self.managers, memory, self.written_by_package)
        if child is not None and above is not None and settlement.actor is Actor.MANAGER:
            settlement = settlement._replace(actor=self._nested(event, child, above))
        number = self._origin_number(settlement, event)
        if number and number not in self._origins:
            self._begin_origin(number, settlement, event, child, above)
        self._settled(
            Settled(event.pid, settlement.actor, settlement.stage, number, above.name if above else None)
        )
        return settlement, number

    def may_load(self, pid: int) -> bool:
        """Whether a manager that has begun was started with a variable by which code is loaded."""
        return self._loads.is_told(pid)

    def recognised(self, event: Event) -> Actor:
        """What a manager is that has begun, and that was added: MIXED where it loads code of others into itself."""
        self._judge()
        process = self._tree.at(event)
        actor = self._manager_of(event.pid)
        self._settled(Settled(event.pid, actor, event.stage, event.origin, process.manager))
        return actor

    def _nested(self, event: Event, child: Stopped, above: attribution.Sponsor) -> Actor:
        name = attribution.recognise(child.argv, self.managers) or above.name
        image = Exec(child.exe, child.exe, child.argv, child.cwd)
        self._loads.look(self._tree.at(event), name, image, child.environment)
        return self._manager_of(event.pid)

    def _manager_of(self, pid: int) -> Actor:
        return Actor.MIXED if self._loads.is_in(pid) else Actor.MANAGER

    def settled(self, origins: Sequence[Origin], settled: "Settled") -> None:
        """Take over a settlement as it was recorded, after the event it answered (replay)."""
        self._judge()
        self._origins.update({origin.number: origin for origin in origins if origin.number == settled.origin})
        self._settled(settled)

    def origins(self) -> Mapping[int, Origin]:
        """Where package or project code began, so far."""
        return dict(self._origins)

    def know(self, origin: Origin) -> None:
        """Take over an origin that was found elsewhere, or what is known better of one by now."""
        self._origins[origin.number] = origin

    def spare(self, path: str) -> None:
        """A file that would have brought code of others into a manager was refused to it: there is nothing to say."""
        self._loads.spare(path)

    def manager_commands(self) -> list[tuple[tuple[str, ...], str]]:
        """Every command line of a manager so far, with its directory."""
        self._judge()
        return list(self._commands)

    def take_recorded(self) -> tuple[list[Event | Settled], int]:
        """What was recorded since the last call, and how much there was no room for."""
        taken = self.recorded or [], self.unrecorded
        self.recorded, self.unrecorded = None if self.recorded is None else [], 0
        return taken

    def survivors(self, pids: Sequence[int]) -> None:
        """Labelled processes that outlived the command and its grace time."""
        self._survivors = tuple(pids)
        judgement = self._judge()
        for process in filter(None, map(self._tree.of, pids)):
            judgement.outlived(process, self._clock(), self.number)

    def ended(
        self, exit_status: int | None, signal: int | None, lost_events: int, counts: Mapping[str, int]
    ) -> None:
        """The command ended; what the backend lost and counted."""
        self._end = _End(self._clock(), exit_status, signal, lost_events, dict(counts))

    def summary(self) -> Summary:
        """Judge what is left, and sum up; may be asked for again after more events."""
        from pratique.runs import redact  # noqa: PLC0415 (as above)

        judgement = self._judge()
        for load in self._loads.untold():
            judgement.mixed(load.process, load.path, load.time, self.number)
        end = self._end or _End(self._clock(), None, None, 0, {})
        return Summary(
            id=self.id,
            policy=self.policy,
            command=self._command,
            cwd=self._cwd,
            backend=self._backend,
            managers=self.managers,
            environment=tuple(redact.environment_names(self.environment)),
            hosts=self._hosts(),
            homes=self._homes,
            number=self.number,
            manager=self._manager[0] if self._manager else None,
            manager_argv=self._manager[1] if self._manager else (),
            guarded=self._guarded,
            started=self.began,
            ended=end.time,
            setup_seconds=self._setup_seconds,
            exit_status=end.exit_status,
            signal=end.signal,
            lost_events=end.lost_events,
            survivors=self._survivors,
            counts={**self._tally.totals(), **end.counts},
            by_actor=dict(self._tally.by_actor),
            events_of=dict(self._tally.events_of),
            stages_of=dict(self._tally.stages_of),
            origins=dict(self._origins),
            egress=dict(self._tally.egress),
            findings=tuple(judgement.findings.all()),
            findings_omitted=judgement.findings.omitted,
            tree=self._tree,
        )

    def _hosts(self) -> tuple[Learned, ...]:
        """Where the first manager can be expected to fetch from: asked once, as soon as it is known."""
        if self._learned is None and self._manager is not None:
            name, argv = self._manager
            try:
                self._learned = self.managers[name].hosts(argv, self.environment, self._cwd)
            except (OSError, ValueError):
                self._learned = ()  # a file that cannot be read only makes the report say less
        return self._learned or ()

    def _judge(self) -> "Judgement":
        queue, self._queue = self._queue, []
        judgement = self._judgement
        for event in queue:
            self._take(event, judgement)
        return judgement

    @cached_property
    def _judgement(self) -> "Judgement":
        from pratique.runs.judgement import Judgement  # noqa: PLC0415 (the command need not wait for it)

        return Judgement(self.policy, self._homes, host.project_root(self._cwd), self._origins)

    def _take(self, event: Event, judgement: "Judgement") -> None:
        process = self._place(event)
        if event.kind is Kind.EXIT:
            if event.origin and not self._tree.living(event.origin):
                judgement.forget(event.origin, event.time)
        elif event.kind is not Kind.FORK:
            self._tally.count(event, process)
            judgement.add(event, process)

    def _place(self, event: Event) -> Process:
        if event.kind is Kind.FORK:
            return self._tree.fork(event)
        if event.kind is Kind.EXIT:
            return self._tree.exit(event)
        if event.kind is not Kind.EXEC or event.exec is None:
            return self._tree.at(event)
        process = self._tree.exec(event, event.exec)
        if not event.exec.pending:
            self._recognise(process, event.exec)
            self._label(process, event.actor, event.stage, event.origin)
        return process

    def _recognise(self, process: Process, image: Exec) -> None:
        if process.actor not in MANAGERS:
            return
        argv = image.argv
        name = attribution.recognise(argv, self.managers)
        if name is not None and len(self._commands) < _MOST_COMMANDS:
            self._commands[argv, image.cwd] = None
        process.manager = name or process.manager
        if name is None:
            return
        if self._manager is None:
            self._manager = (name, argv)
        if self._given.is_live:
            self._loads.look(process, name, image)

    def _label(self, process: Process, actor: Actor, stage: Stage, origin: int) -> None:
        self._tree.label(process, actor, stage, origin)
        self._guarded = self._guarded or actor in _GUARDED
        if origin:
            self._tally.stage(origin, stage)

    def _settled(self, settled: "Settled") -> None:
        process = self._tree.of(settled.pid)
        if process is not None:
            process.manager = settled.manager if settled.actor in (*MANAGERS, Actor.HELPER) else None
            self._label(process, settled.actor, settled.stage, settled.origin)
            origin = self._origins.get(settled.origin)
            if origin is not None and origin.pid == settled.pid and origin.settlement.approved is False:
                self._judgement.unapproved(process, self._clock(), self.number)
        self._keep(settled)

    def _keep(self, item: "Event | Settled") -> None:
        if self.recorded is None:
            return
        if len(self.recorded) < self._given.most_recorded:
            self.recorded.append(item)
        else:
            self.unrecorded += 1

    def _origin_number(self, settlement: Settlement, event: Event) -> int:
        begins = settlement.actor in (Actor.PROJECT, Actor.PACKAGE)
        if begins and (settlement.new_origin or not event.origin):
            shared = self._given.next_origin
            return shared() if shared else max(self._origins, default=0) + 1
        return event.origin

    def _begin_origin(
        self,
        number: int,
        settlement: Settlement,
        event: Event,
        child: Stopped | None,
        above: attribution.Sponsor | None,
    ) -> None:
        seen = event.exec
        argv = child.argv if child else seen.argv if seen else ()
        cwd = child.cwd if child else seen.cwd if seen else ""
        name = above.name if above else None
        self._origins[number] = Origin(
            number, event.pid, bounded(argv), cwd, name, settlement, self._requested(above)
        )

    def _requested(self, above: attribution.Sponsor | None) -> tuple[str, ...]:
        if above is None or above.name not in self.managers:
            return ()
        try:
            return tuple(self.managers[above.name].requested(above.image.argv, above.image.cwd))
        except (OSError, ValueError):
            return ()  # a lock file that cannot be read only makes the report say less


def _homes(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Homes both as they are and as the user's programs spell theirs: refusals carry the caller's string."""
    spelt = environment.get("HOME", "")
    return tuple(dict.fromkeys([*host.homes(environment), *([spelt] if spelt.startswith("/") else [])]))
