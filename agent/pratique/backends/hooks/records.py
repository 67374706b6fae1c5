"""What the ring buffer brings, decoded: one named tuple per kind of record."""

import ctypes
import socket
from collections.abc import Callable
from typing import NamedTuple

from pratique.backends.hooks.mirrors import (
    ALLOWED,
    CALL,
    EXEC,
    EXEC_PENDING,
    EXIT,
    FILE,
    FORK,
    IPC,
    LOST_LABEL,
    MALFORMED,
    MEMORY,
    MEMORY_HOW,
    NET,
    PENDING,
    SEND,
    SOCKET,
    TRUNCATED,
    UNREAD,
    CCall,
    CExec,
    CExit,
    CFile,
    CFork,
    CInodeKey,
    CIpc,
    CLabel,
    CLostLabel,
    CMemory,
    CName,
    CNet,
    CRecord,
)
from pratique.words import Act, Action, Actor, Level, Stage


class Label(NamedTuple):
    """What the kernel keeps per process."""

    run: int
    origin: int
    stage: Stage
    actor: Actor
    flags: int

    @property
    def pending(self) -> bool:
        """Stopped before its first instruction, and counted as package until settled."""
        return bool(self.flags & PENDING)


class InodeKey(NamedTuple):
    """An inode as the kernel names it; `stat` may show other numbers."""

    inode: int
    device: int
    generation: int

    def __bytes__(self) -> bytes:
        return bytes(CInodeKey(self.inode, self.device, self.generation))


class Head(NamedTuple):
    """What every record starts with. `time`: CLOCK_BOOTTIME, ns; groups and rules are numbers."""

    time: int
    run: int
    pid: int
    ppid: int
    """0 where the hook cannot know it (network)."""
    tid: int
    origin: int
    flags: int
    stage: Stage
    actor: Actor
    act: Act | None
    action: Action
    would: Action | None
    level: Level | None
    tainted: bool
    group: int
    rule: int
    comm: str
    stopped: bool = False
    """Whoever reads this lets the process go on."""


class ForkRecord(NamedTuple):
    """A labelled process (`head.pid`) has a child, labelled alike."""

    head: Head
    child: int
    shares: bool
    """Whether the two have one table of descriptors: each can use what the other opened."""


class ExitRecord(NamedTuple):
    """The last thread of a labelled process is gone; `status` as wait(2) has it."""

    head: Head
    status: int


class LostLabelRecord(NamedTuple):
    """The label map was full: the parent is dead and `child` must be killed, unless `killed` says it was."""

    head: Head
    child: int
    killed: bool


class ExecRecord(NamedTuple):
    """An exec; `head.action` is KILL when it died before its first instruction."""

    head: Head
    exe: InodeKey
    pattern: int | None
    """Index of the pattern that made it a manager."""
    code: tuple[int, ...]
    """Numbers of the code groups its image belongs to, also when no rule minds."""
    argc: int
    truncated: bool
    pending: bool
    unread: bool
    filename: str
    interp: str
    argv: tuple[str, ...]
    path: str = ""
    """Where the kernel found the program, when a rule minds that; else empty."""


class NetRecord(NamedTuple):
    """A connect, an addressed send, a bind, or a socket of an unusual kind (`address` empty)."""

    head: Head
    address: str
    port: int
    family: int
    type: int
    protocol: int
    allowed: bool
    """An allow of the origin overrode the table."""
    send: bool
    times: int
    """How many like it, by the same process, it stands for."""
    name: str = ""
    """What was asked for, or what the address was an answer to; empty when nobody can say."""
    malformed: bool = False
    """A message to a resolver that is no question: its name cannot be told."""


class FileRecord(NamedTuple):
    """A change of a name or file, done or refused (`error`). The paths are the caller's words: evidence.

    Only where the kernel itself minded an open is `path` the one it found.
    """

    head: Head
    error: int
    path: str
    to: str
    dirfd: int
    dirfd_to: int


class IpcRecord(NamedTuple):
    """connect(2) on a unix socket; an abstract name starts with `@`."""

    head: Head
    peer: InodeKey | None
    error: int
    name: str


class MemoryRecord(NamedTuple):
    """An attempt on the memory, environment or descriptors of process `victim`."""

    head: Head
    victim: int
    how: str
    user: int
    """Who asked, where a file was refused; 0 is root, and where that does not matter."""


class CallRecord(NamedTuple):
    """A system call that a filter answers: refused (`error`), or done where there is no filter."""

    head: Head
    error: int
    number: int
    argument: int


Record = (
    ForkRecord
    | ExitRecord
    | LostLabelRecord
    | ExecRecord
    | NetRecord
    | FileRecord
    | IpcRecord
    | MemoryRecord
    | CallRecord
)


def decode(data: bytes) -> Record | None:
    """The record in `data`, or None if it is none: no byte sequence raises."""
    if len(data) < ctypes.sizeof(CRecord):
        return None
    found = _DECODERS.get(CRecord.from_buffer_copy(data).kind)
    if found is None:
        return None
    mirror, least, build = found
    if len(data) < least:
        return None
    # Records end where their last string does; the mirror has room for the longest.
    raw = mirror.from_buffer_copy(data.ljust(ctypes.sizeof(mirror), b"\0"))
    try:
        return build(raw, _head(raw.head))
    except ValueError:
        return None


def label(raw: CLabel) -> Label:
    """The label in user's words; ValueError for numbers that mean nothing."""
    return Label(raw.run, raw.origin, Stage(raw.stage), Actor(raw.actor), raw.flags)


def _head(raw: CRecord) -> Head:
    return Head(
        time=raw.time,
        run=raw.run,
        pid=raw.pid,
        ppid=raw.ppid,
        tid=raw.tid,
        origin=raw.origin,
        flags=raw.flags,
        stage=Stage(raw.stage),
        actor=Actor(raw.actor),
        act=Act(raw.act) if raw.act else None,
        action=Action(raw.action),
        would=Action(raw.would) if raw.would else None,
        level=Level(raw.level) if raw.level else None,
        tainted=bool(raw.tainted),
        group=raw.group,
        rule=raw.rule,
        comm=_text(raw.comm),
        stopped=bool(raw.stopped),
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _key(raw: CInodeKey) -> InodeKey:
    return InodeKey(raw.inode, raw.device, raw.generation)


def _fork(raw: CFork, head: Head) -> ForkRecord:
    return ForkRecord(head, raw.child, bool(raw.shares))


def _exit(raw: CExit, head: Head) -> ExitRecord:
    return ExitRecord(head, raw.status)


def _lost_label(raw: CLostLabel, head: Head) -> LostLabelRecord:
    return LostLabelRecord(head, raw.child, bool(raw.killed))


def _exec(raw: CExec, head: Head) -> ExecRecord:
    return ExecRecord(
        head=head,
        exe=_key(raw.exe),
        pattern=(raw.patterns & -raw.patterns).bit_length() - 1 if raw.patterns else None,
        code=tuple(bit + 1 for bit in range(raw.code.bit_length()) if raw.code >> bit & 1),
        argc=raw.argc,
        truncated=bool(raw.flags & TRUNCATED),
        pending=bool(raw.flags & EXEC_PENDING),
        unread=bool(raw.flags & UNREAD),
        filename=_text(raw.filename),
        interp=_text(raw.interp),
        argv=_words(bytes(raw.argv)[: raw.argv_length]),
        path=_climbed(raw.path),
    )


def _climbed(spelt: bytes) -> str:
    """The path that the kernel spelt from the leaf up."""
    names = _text(spelt).split("/")[:-1]
    return "".join(f"/{name}" for name in reversed(names))


def _words(joined: bytes) -> tuple[str, ...]:
    if not joined:
        return ()
    return tuple(_text(word) for word in joined.removesuffix(b"\0").split(b"\0"))


def _net(raw: CName, head: Head) -> NetRecord:
    return NetRecord(
        head=head,
        address="" if raw.flags & SOCKET else _address(raw),
        port=raw.port,
        family=raw.family,
        type=raw.type,
        protocol=raw.protocol,
        allowed=bool(raw.flags & ALLOWED),
        send=bool(raw.flags & SEND),
        times=raw.times,
        name=_text(raw.name),
        malformed=bool(raw.flags & MALFORMED),
    )


def _address(raw: CName) -> str:
    packed = bytes(raw.address)
    if raw.family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, packed[:4])
    return socket.inet_ntop(socket.AF_INET6, packed)


def _file(raw: CFile, head: Head) -> FileRecord:
    if raw.found:
        return FileRecord(head, raw.error, _climbed(raw.to), "", raw.dirfd, raw.dirfd_to)
    return FileRecord(head, raw.error, _text(raw.path), _text(raw.to), raw.dirfd, raw.dirfd_to)


def _ipc(raw: CIpc, head: Head) -> IpcRecord:
    name = bytes(raw.name)[: raw.length]
    # A bound path may carry its terminator; an abstract name has its NUL in front.
    shown = "@" + _text(name[1:]) if name[:1] == b"\0" else _text(name.split(b"\0")[0])
    return IpcRecord(head, _key(raw.peer) if raw.peer.inode else None, raw.error, shown)


def _memory(raw: CMemory, head: Head) -> MemoryRecord:
    return MemoryRecord(head, raw.victim, MEMORY_HOW[min(raw.how, len(MEMORY_HOW) - 1)], raw.user)


def _call(raw: CCall, head: Head) -> CallRecord:
    return CallRecord(head, raw.error, raw.number, raw.argument)


_DECODERS: dict[int, tuple[type[ctypes.Structure], int, Callable[..., Record]]] = {
    FORK: (CFork, ctypes.sizeof(CFork), _fork),
    EXIT: (CExit, ctypes.sizeof(CExit), _exit),
    LOST_LABEL: (CLostLabel, ctypes.sizeof(CLostLabel), _lost_label),
    EXEC: (CExec, CExec.argv.offset, _exec),
    NET: (CName, ctypes.sizeof(CNet), _net),
    FILE: (CFile, CFile.path.offset + 1, _file),
    IPC: (CIpc, ctypes.sizeof(CIpc), _ipc),
    MEMORY: (CMemory, ctypes.sizeof(CMemory), _memory),
    CALL: (CCall, ctypes.sizeof(CCall), _call),
}
