"""The processes of a run as events tell of them; whole even where a fork or an exit was never reported."""

from collections.abc import Iterator
from typing import NamedTuple

from pratique.model import Event, Exec
from pratique.words import MANAGERS, Actor, Stage

KEPT = 32_768
_WORDS, _LETTERS = 64, 1024


class Image(NamedTuple):
    """What a process executed, bounded: argv comes from hostile code and there may be 50 000 of them."""

    exe: str
    argv: tuple[str, ...]
    cwd: str
    time: float


class Process:
    """One process; a reused pid is another `Process`."""

    def __init__(
        self,
        number: int,
        pid: int,
        started: float,
        parent: "Process | None",
        actor: Actor,
        stage: Stage,
        origin: int = 0,
    ) -> None:
        self.number, self.pid, self.started = number, pid, started
        self.parent, self.actor, self.stage, self.origin = parent, actor, stage, origin
        self.manager: str | None = None
        """Name of the manager family, for a manager and its nested resolvers."""
        self.image: Image | None = None
        """None until its own first exec: before that it runs its parent's."""
        self.earlier: Image | None = None
        """What it ran before its last exec."""
        self.earlier_actor: Actor | None = None
        self.earlier_manager: str | None = None
        self.ended: float | None = None
        self.children = 0
        self.evidence = False
        """A finding points at it: it and its ancestors stay in the report."""

    def runs(self) -> Image | None:
        """The image in force: its own, or the one inherited over forks."""
        return next((each.image for each in self.line() if each.image), None)

    def line(self) -> Iterator["Process"]:
        """The process, its parent, and so on up to the first one known."""
        each: Process | None = self
        while each is not None:
            yield each
            each = each.parent


class Tree:
    """Events in, processes out; memory is bounded: ended processes nothing points at go, and are counted."""

    def __init__(self, kept: int = KEPT) -> None:
        self.dropped = 0
        self._kept = kept
        self._next = 0
        self._live: dict[int, Process] = {}
        self._all: dict[int, Process] = {}
        self._alive: dict[int, int] = {}

    def fork(self, event: Event) -> Process:
        """A new process; whatever had its pid before is gone."""
        self._end(self._live.get(event.pid), event.time)
        return self._new(event)

    def exec(self, event: Event, exec_: Exec) -> Process:
        """An exec replaces the image; an unannounced process is made up from what the event says."""
        process = self._live.get(event.pid)
        if process is None or process.ended is not None or self._another(process, event):
            self._end(process, event.time)
            process = self._new(event)
        process.earlier, process.earlier_actor, process.earlier_manager = (
            process.image,
            process.actor,
            process.manager,
        )
        process.image = Image(exec_.exe, bounded(exec_.argv), exec_.cwd, event.time)
        self.label(process, event.actor, event.stage, event.origin)
        return process

    def exit(self, event: Event) -> Process:
        """The end of a process; its descendants still find it as their ancestor."""
        process = self.at(event)
        self._end(process, event.time)
        return process

    def at(self, event: Event) -> Process:
        """The process an event speaks of, made up if nothing announced it."""
        return self._live.get(event.pid) or self._new(event)

    def of(self, pid: int) -> Process | None:
        """The last process known by this pid."""
        return self._live.get(pid)

    def label(self, process: Process, actor: Actor, stage: Stage, origin: int) -> None:
        """Set who a process acts as, and keep count of the living per origin."""
        if process.ended is None and process.origin != origin:
            self._count(process.origin, -1)
            self._count(origin, +1)
        process.actor, process.stage, process.origin = actor, stage, origin

    def living(self, origin: int) -> int:
        """How many processes of an origin are known to live."""
        return self._alive.get(origin, 0)

    def __iter__(self) -> Iterator[Process]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all) + self.dropped

    def _another(self, process: Process, event: Event) -> bool:
        """Same pid but a different parent, while the old parent lives: only a reused pid looks like that."""
        parent = process.parent
        return bool(parent and event.ppid and parent.pid != event.ppid and parent.ended is None)

    def _new(self, event: Event) -> Process:
        parent = self._live.get(event.ppid) if event.ppid != event.pid else None
        self._next += 1
        process = Process(self._next, event.pid, event.time, parent, event.actor, event.stage, event.origin)
        if parent is not None:
            parent.children += 1
            process.manager = parent.manager if event.actor in (*MANAGERS, Actor.HELPER) else None
        self._live[event.pid] = process
        self._count(process.origin, +1)
        self._all[process.number] = process
        if len(self._all) > self._kept:
            self._make_room()
        return process

    def _end(self, process: Process | None, time: float) -> None:
        if process is not None and process.ended is None:
            process.ended = time
            self._count(process.origin, -1)

    def _count(self, origin: int, change: int) -> None:
        left = self._alive.get(origin, 0) + change
        if left > 0:
            self._alive[origin] = left
        else:
            self._alive.pop(origin, None)

    def _make_room(self) -> None:
        """Drop a quarter at once, so that a storm pays for it rarely; failing that, the newest goes."""
        spare = [p for p in self._all.values() if p.ended is not None and not p.children and not p.evidence]
        for process in spare[: self._kept // 4] or [self._all[self._next]]:
            self._drop(process)

    def _drop(self, process: Process) -> None:
        del self._all[process.number]
        self.dropped += 1
        if self._live.get(process.pid) is process and process.ended is not None:
            del self._live[process.pid]
        if process.parent is not None:
            process.parent.children -= 1


def bounded(argv: tuple[str, ...]) -> tuple[str, ...]:
    """At most 64 words and 1024 letters of a command line; a cut shows as a last word `…`."""
    if len(argv) <= _WORDS and sum(map(len, argv)) <= _LETTERS:
        return argv
    kept: list[str] = []
    room = _LETTERS
    for word in argv[:_WORDS]:
        kept.append(word[:room])
        room -= len(word)
        if room <= 0:
            break
    return (*kept, "…")
