"""Events → the processes of a run as a tree: who started whom, what each ran, and where it was refused."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pratique.api.columns import Row
from pratique.api.v1 import events_pb2, words_pb2
from pratique_server import wording

_MOST_IMAGES = 8


@dataclass(slots=True, eq=False)
class Process:
    """A process of the run."""

    number: int
    """Its place in the tree: pids are used again, these are not."""
    pid: int
    parent: "Process | None"
    began: int
    actor: str = ""
    stage: str = ""
    origin: int = 0
    comm: str = ""
    images: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    ended: int | None = None
    status: int | None = None
    acts: int = 0
    refused: int = 0
    audited: int = 0
    refused_below: int = 0
    below: int = 0
    children: list["Process"] = field(default_factory=list)

    @property
    def command(self) -> Sequence[str]:
        """What it executed last, as a command line."""
        if not self.images:
            return (self.comm,) if self.comm else ()
        exe, argv = self.images[-1]
        return argv or (exe,)


class Tree:
    """All processes of a run."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.roots: list[Process] = []
        self.all: list[Process] = []
        self._now: dict[int, Process] = {}
        for row in rows:
            self._take(row)
        self._sum()

    def path_to(self, number: int) -> list[Process]:
        """A process and its ancestors, the oldest first."""
        if not 0 <= number < len(self.all):
            return []
        path = [self.all[number]]
        while path[0].parent is not None:
            path.insert(0, path[0].parent)
        return path

    def _take(self, row: Row) -> None:
        kind = row.shape.kind
        if kind == events_pb2.KIND_FORK:
            self._now.pop(row.pid, None)
        process = self._now.get(row.pid) or self._add(row)
        self._describe(process, row)
        if kind == events_pb2.KIND_EXEC and len(process.images) < _MOST_IMAGES:
            process.images.append((row.exe, row.argv))
        elif kind == events_pb2.KIND_EXIT:
            process.ended, process.status = row.time_us, row.status
        elif kind == events_pb2.KIND_ACT:
            process.acts += 1
            process.refused += row.shape.action in _REFUSED
            process.audited += row.shape.action == words_pb2.ACTION_AUDIT

    def _add(self, row: Row) -> Process:
        parent = self._now.get(row.ppid) if row.ppid != row.pid else None
        made = Process(len(self.all), row.pid, parent, row.time_us)
        self.all.append(made)
        self._now[row.pid] = made
        (parent.children if parent else self.roots).append(made)
        return made

    def _describe(self, process: Process, row: Row) -> None:
        process.actor = wording.word(words_pb2.Actor, row.shape.actor) or process.actor
        process.stage = wording.word(words_pb2.Stage, row.shape.stage) or process.stage
        process.origin, process.comm = row.origin or process.origin, row.comm or process.comm

    def _sum(self) -> None:
        """Children come after their parents in `all`, so one pass from the end adds everything up."""
        for process in reversed(self.all):
            if process.parent is not None:
                process.parent.below += process.below + 1
                process.parent.refused_below += process.refused_below + process.refused


def opened(tree: Tree, most: int = 120) -> set[int]:
    """Which processes a page shows opened: the way to every refusal, else the first two steps; bounded."""
    guilty = [each for each in tree.all if each.refused][:most]
    wanted = {step.number for each in guilty for step in tree.path_to(each.number)}
    if not wanted:
        wanted = {each.number for root in tree.roots for each in (root, *root.children)}
    return set(sorted(wanted)[:most])


def flat(processes: Sequence[Process]) -> Iterator[Process]:
    """Processes and all below them, without recursion: trees may be as deep as there are processes."""
    waiting = list(reversed(processes))
    while waiting:
        process = waiting.pop()
        yield process
        waiting += reversed(process.children)


_REFUSED = frozenset((words_pb2.ACTION_DENY, words_pb2.ACTION_KILL))
