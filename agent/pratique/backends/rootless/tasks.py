"""The processes of the guarded tree as they are met: who each is, what it says, and where it comes from.

A process is looked at only while one of its threads is stopped in a call, so what is read of it belongs to it.
Trust only goes down: a child is what its parent is when it is first met. An orphan is what its image is: the random
bytes that the kernel laid at the exec are inherited over forks, and known to nobody else. Who hides or changes
them is the least that any process of the run has been.
"""

import os
import struct
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import NamedTuple

from pratique import proc
from pratique.words import Actor, Stage

_PAGE = 4096
_LONGEST = 4096
_AT_RANDOM = 25
_TOKEN_BYTES = 16
_MOST_IMAGES = 1 << 16
_MOST_STEPS = 64
_IMAGE_FIELDS = slice(23, 26)  # startcode, endcode, startstack: counted from the state on


class Label(NamedTuple):
    """Who a process acts as."""

    actor: Actor
    stage: Stage
    origin: int = 0


class Image(NamedTuple):
    """A mark of what a process runs: every exec changes it, nothing else does."""

    token: bytes
    """The random bytes that the kernel laid for it; empty where its author hides them."""
    layout: bytes


class Started(NamedTuple):
    """An exec that was let go on: what it claimed, and what the process was before."""

    thread: int
    before: Label
    image: Image | None
    path: str
    argv: tuple[str, ...]


class Task:
    """One process that is known."""

    def __init__(self, pid: int, parent: int, label: Label, pidfd: int) -> None:
        self.pid, self.parent, self.label, self.pidfd = pid, parent, label, pidfd
        self.image: Image | None = None
        """None: not looked at yet, or not to be read."""
        self.started: Started | None = None
        """The exec it may be in the middle of."""
        self.pending = False
        """It waits to be settled."""
        self.memory = -1
        self.number = pid
        """By which it knows itself."""
        self.enclosed = False
        """It is in namespaces of its own: what it holds lies on other mounts than what is opened here."""

    def read(self, address: int, length: int) -> bytes | None:
        """Bytes of its memory, as many as are there; None when there are none or they may not be read."""
        try:
            if self.memory < 0:
                self.memory = os.open(f"/proc/{self.pid}/mem", os.O_RDWR | os.O_CLOEXEC)
            return os.pread(self.memory, length, address) or None
        except (OSError, OverflowError):
            return None

    def write(self, address: int, data: bytes) -> bool:
        """Write into its memory; False when that is impossible."""
        try:
            return os.pwrite(self.memory, data, address) == len(data)
        except (OSError, OverflowError):
            return False

    def text(self, address: int) -> str | None:
        """The string at an address; None when it cannot be read or does not end."""
        found = b""
        while len(found) <= _LONGEST:
            part = self.read(address + len(found), _PAGE - (address + len(found)) % _PAGE)
            if part is None:
                return None
            end = part.find(b"\0")
            if end >= 0:
                return os.fsdecode(found + part[:end])
            found += part
        return None

    def forget_memory(self) -> None:
        """The descriptor shows the image of before an exec."""
        if self.memory >= 0:
            os.close(self.memory)
            self.memory = -1

    def close(self) -> None:
        """Free what is held of it."""
        self.forget_memory()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


class Tasks:
    """All known processes of a run, by number; a number is forgotten when its process ends."""

    def __init__(self, supervisor: int, strangers: Collection[int] = ()) -> None:
        """`strangers`: children of the supervisor that are no part of the run."""
        self.root = supervisor
        """The process below which the run lives, and to which its orphans come."""
        self._strangers = frozenset(strangers)
        self._known: dict[int, Task] = {}
        self._least = Label(Actor.COMMAND, Stage.RESOLVE)
        self._images: dict[Image, Label] = {}
        """Who each image acts as, also after the process that executed it has ended."""
        self._enclosed = False
        self.numbers: dict[int, int] = {}
        """In namespaces: by which number each process knows, or knew, itself."""

    def enclose(self, first: int) -> None:
        """The run lives in namespaces of its own: below their first process, to which orphans come."""
        self.root, self._strangers, self._enclosed = first, frozenset(), True

    def get(self, pid: int) -> Task | None:
        """The process of that number, if it is known."""
        return self._known.get(pid)

    def add(self, pid: int, parent: int, label: Label) -> Task:
        """Take a process in; it is watched from now on."""
        task = Task(pid, parent, label, proc.held(pid))
        if self._enclosed:
            task.enclosed, task.number = True, innermost(pid)
            self.numbers[pid] = task.number
            if len(self.numbers) > _MOST_IMAGES:
                del self.numbers[next(iter(self.numbers))]
        self._known[pid] = task
        self.relabel(task, label)
        return task

    def relabel(self, task: Task, label: Label) -> None:
        """Say who it is from now on."""
        task.label = label
        if label.actor > self._least.actor:
            self._least = label._replace(origin=0)
        if task.image is not None and task.image.token:
            self._images[task.image] = label
            if len(self._images) > _MOST_IMAGES:
                del self._images[next(iter(self._images))]

    def executed(self, task: Task, image: Image | None) -> None:
        """It has another image now; its label is that of the image until it is relabelled."""
        task.started, task.image = None, image
        self.relabel(task, task.label)

    def drop(self, pid: int) -> Task | None:
        """Forget a process that has ended."""
        task = self._known.pop(pid, None)
        if task is not None:
            task.close()
        return task

    def of_thread(self, thread: int) -> tuple[Task | None, list[Task]]:
        """The process a stopped thread belongs to, and who is met for the first time: ancestors before children."""
        known = self._known.get(thread)
        if known is not None:
            return known, []
        line = self._line(thread)
        if not line:
            return None, []
        known = self._known.get(line[0][0])
        if known is not None:
            return known, []
        new: list[Task] = []
        for pid, parent in reversed(line):
            above = self._known.get(parent)
            with suppress(ProcessLookupError):
                new.append(self.add(pid, parent, above.label if above is not None else self._orphan(pid)))
        return self._known.get(line[0][0]), new

    def _line(self, thread: int) -> list[tuple[int, int]]:
        """(process, parent) of a thread and of those above it, up to the first whose parent is known.

        Who never made a call that is watched is not known yet: a shell's copy of itself, for one.
        """
        line: list[tuple[int, int]] = []
        while len(line) < _MOST_STEPS and (facts := _status(thread)) is not None:
            line.append(facts)
            thread = facts[1]
            if thread in self._known or thread in (0, self.root) or facts[0] in self._known:
                break
        return line

    def label_of(self, pid: int) -> Label | None:
        """Who any process or thread of this host is; None for one outside the run."""
        for _ in range(_MOST_STEPS):
            if pid in self._known:
                return self._known[pid].label
            facts = _status(pid)
            if facts is None or pid <= 1 or facts[0] in self._strangers:
                return None
            if facts[1] == self.root:
                return self._orphan(facts[0])
            pid = facts[0] if facts[0] in self._known else facts[1]
        return None

    def survivors(self) -> list[int]:
        """Every process of the run that still lives, known or not."""
        return list(_descendants(self.root, self._strangers))

    def living(self) -> list[int]:
        """Numbers of all known processes."""
        return list(self._known)

    def close(self) -> None:
        """Free everything held."""
        for pid in self.living():
            self.drop(pid)

    def adopt(self) -> list[Task]:
        """Take in the orphans that came to us, so that somebody reaps them."""
        new: list[Task] = []
        for pid in children(self.root):
            if pid not in self._known and pid not in self._strangers:
                with suppress(ProcessLookupError):
                    new.append(self.add(pid, self.root, self._orphan(pid)))
        return new

    def _orphan(self, pid: int) -> Label:
        """The label of the image it was forked with; of one that nobody knows: the least, and no origin."""
        orphan = Task(pid, self.root, self._least, -1)
        try:
            image = image_of(orphan)
            return self._images.get(image, self._least) if image is not None else self._least
        finally:
            orphan.close()


def image_of(task: Task) -> Image | None:
    """What marks the image of a process; None when it cannot be looked at."""
    try:
        with open(f"/proc/{task.pid}/stat", "rb") as file:  # noqa: PTH123
            fields = file.read().rpartition(b")")[2].split()[_IMAGE_FIELDS]
        with open(f"/proc/{task.pid}/auxv", "rb") as file:  # noqa: PTH123
            auxiliary = dict(struct.iter_unpack("=QQ", file.read()))
    except (OSError, struct.error):
        return None
    task.forget_memory()
    return Image(task.read(auxiliary.get(_AT_RANDOM, 0), _TOKEN_BYTES) or b"", b" ".join(fields))


def children(pid: int) -> Iterator[int]:
    """The children of a process, of all its threads."""
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            with suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as file:  # noqa: PTH123
                yield from map(int, file.read().split())


def _descendants(pid: int, strangers: Collection[int]) -> Iterator[int]:
    for child in children(pid):
        if child not in strangers:
            yield from _descendants(child, ())
            if _lives(child):
                yield child


def innermost(thread: int) -> int:
    """By which number a process or thread knows itself; 0 when it is gone."""
    with suppress(OSError, ValueError), open(f"/proc/{thread}/status", "rb") as file:  # noqa: PTH123
        for line in file:
            if line.startswith(b"NSpid:"):
                return int(line.split()[-1])
    return 0


def umask_of(pid: int) -> int:
    """The umask of a process; a cautious one when it cannot be read."""
    with suppress(OSError, ValueError), open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123
        for line in file:
            if line.startswith(b"Umask:"):
                return int(line.split()[1], 8)
    return 0o077


def _lives(pid: int) -> bool:
    with suppress(OSError, IndexError), open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
        return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    return False


def _status(thread: int) -> tuple[int, int] | None:
    """(process, its parent) of a thread."""
    facts = {}
    try:
        with open(f"/proc/{thread}/status", "rb") as file:  # noqa: PTH123
            for line in file:
                name, _, value = line.partition(b":")
                facts[name] = value
                if name == b"PPid":
                    return int(facts[b"Tgid"]), int(value)
    except (OSError, KeyError, ValueError):
        return None
    return None
