"""Python's mirrors of the C records and map keys, and the decoding of what the ring buffer brings.

The layouts are compared with the BTF of `probes/build/layout.bpf.o` by `tests/unit/test_records.py`.
"""

import ctypes
import socket
from collections.abc import Callable
from ctypes import c_char, c_int32, c_uint8, c_uint16, c_uint32, c_uint64
from dataclasses import dataclass

from pratique.words import Act, Action, Actor, Level, Stage

FORK, EXEC, EXIT, LOST_LABEL, NET, FILE, IPC, MEMORY, CALL = range(1, 10)
PENDING, MIXED = 1, 2
TAINTED = 1
TRUNCATED, EXEC_PENDING, UNREAD = 1, 2, 4
ALLOWED, SEND, SOCKET = 1, 2, 4
SHM, HIDDEN_TEMP = 1 << 2, 1 << 3
ALLOWED_WRITE, ALLOWED_IPC, ALLOWED_EXEC, ALLOWED_READ = 1, 2, 3, 4
PATH_KEPT = 248
MEMORY_HOW = ("", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "mem", "environ", "kill")
COUNTERS = ("exec", "fork", "exit", "connect", "dns", "open", "listen", "ipc", "ring", "labels", "reads")


class CLabel(ctypes.Structure):
    """`struct label`."""

    _fields_ = (
        ("run", c_uint64),
        ("origin", c_uint32),
        ("stage", c_uint8),
        ("actor", c_uint8),
        ("flags", c_uint16),
    )


class COriginKey(ctypes.Structure):
    """`struct origin_key`."""

    _fields_ = (("run", c_uint64), ("origin", c_uint32), ("reserved", c_uint32))


class CInodeKey(ctypes.Structure):
    """`struct inode_key`."""

    _fields_ = (("inode", c_uint64), ("device", c_uint32), ("generation", c_uint32))


class CNamedKey(ctypes.Structure):
    """`struct named_key`."""

    _fields_ = (("key", CInodeKey), ("fd", c_uint32), ("reserved", c_uint32))


class CCellKey(ctypes.Structure):
    """`struct cell_key`."""

    _fields_ = (
        ("stage", c_uint8),
        ("actor", c_uint8),
        ("act", c_uint8),
        ("tainted", c_uint8),
        ("group", c_uint16),
        ("generation", c_uint16),
    )


class CCell(ctypes.Structure):
    """`struct cell`."""

    _fields_ = (
        ("action", c_uint8),
        ("would", c_uint8),
        ("locked", c_uint8),
        ("reserved", c_uint8),
        ("rule", c_uint16),
        ("reserved2", c_uint16),
    )


class CNet4Key(ctypes.Structure):
    """`struct net4_key`."""

    _fields_ = (("prefix", c_uint32), ("generation", c_uint32), ("address", c_uint8 * 4))


class CNet6Key(ctypes.Structure):
    """`struct net6_key`."""

    _fields_ = (("prefix", c_uint32), ("generation", c_uint32), ("address", c_uint8 * 16))


class CPortKey(ctypes.Structure):
    """`struct port_key`."""

    _fields_ = (("port", c_uint16), ("generation", c_uint16))


class CAllow4Key(ctypes.Structure):
    """`struct allow4_key`."""

    _fields_ = (
        ("prefix", c_uint32),
        ("origin", c_uint32),
        ("port", c_uint16),
        ("reserved", c_uint16),
        ("address", c_uint8 * 4),
    )


class CAllow6Key(ctypes.Structure):
    """`struct allow6_key`."""

    _fields_ = (
        ("prefix", c_uint32),
        ("origin", c_uint32),
        ("port", c_uint16),
        ("reserved", c_uint16),
        ("address", c_uint8 * 16),
    )


class CGuarded(ctypes.Structure):
    """`struct guarded`."""

    _fields_ = (("group", c_uint16), ("below", c_uint8), ("reserved", c_uint8))


class CAllowedKey(ctypes.Structure):
    """`struct allowed_key`."""

    _fields_ = (("object", CInodeKey), ("origin", c_uint32), ("use", c_uint32))


class CPathKey(ctypes.Structure):
    """`struct path_key`."""

    _fields_ = (
        ("origin", c_uint32),
        ("use", c_uint16),
        ("children", c_uint16),
        ("path", c_uint8 * PATH_KEPT),
    )


class CTokenKey(ctypes.Structure):
    """`struct token_key`."""

    _fields_ = (("hash", c_uint64), ("role", c_uint32), ("reserved", c_uint32))


class CWatch(ctypes.Structure):
    """`struct watch`."""

    _fields_ = (
        ("kind", c_uint8),
        ("act", c_uint8),
        ("path", c_uint8),
        ("to", c_uint8),
        ("dir", c_uint8),
        ("dir_to", c_uint8),
        ("open_flags", c_uint8),
        ("flags", c_uint8),
    )


class CCounters(ctypes.Structure):
    """`struct counters`."""

    _fields_ = (("value", c_uint64 * len(COUNTERS)),)


class CRecord(ctypes.Structure):
    """`struct record`."""

    _fields_ = (
        ("time", c_uint64),
        ("run", c_uint64),
        ("pid", c_uint32),
        ("ppid", c_uint32),
        ("origin", c_uint32),
        ("kind", c_uint16),
        ("flags", c_uint16),
        ("stage", c_uint8),
        ("actor", c_uint8),
        ("act", c_uint8),
        ("action", c_uint8),
        ("would", c_uint8),
        ("level", c_uint8),
        ("tainted", c_uint8),
        ("reserved", c_uint8),
        ("group", c_uint16),
        ("rule", c_uint16),
        ("tid", c_uint32),
        ("comm", c_char * 16),
    )


class CFork(ctypes.Structure):
    """`struct fork_record`."""

    _fields_ = (("head", CRecord), ("child", c_uint32), ("reserved", c_uint32))


class CExit(ctypes.Structure):
    """`struct exit_record`."""

    _fields_ = (("head", CRecord), ("status", c_int32), ("reserved", c_uint32))


class CLostLabel(ctypes.Structure):
    """`struct lost_label_record`."""

    _fields_ = (("head", CRecord), ("child", c_uint32), ("killed", c_uint32))


class CExec(ctypes.Structure):
    """`struct exec_record`."""

    _fields_ = (
        ("head", CRecord),
        ("exe", CInodeKey),
        ("patterns", c_uint64),
        ("code", c_uint32),
        ("argc", c_uint32),
        ("flags", c_uint16),
        ("argv_length", c_uint16),
        ("reserved", c_uint32),
        ("filename", c_char * 256),
        ("interp", c_char * 256),
        ("path", c_char * PATH_KEPT),
        ("argv", c_uint8 * 3584),
    )


class CNet(ctypes.Structure):
    """`struct net_record`."""

    _fields_ = (
        ("head", CRecord),
        ("address", c_uint8 * 16),
        ("port", c_uint16),
        ("family", c_uint16),
        ("type", c_uint16),
        ("protocol", c_uint16),
        ("flags", c_uint16),
        ("reserved", c_uint16 * 3),
    )


class CFile(ctypes.Structure):
    """`struct file_record`."""

    _fields_ = (
        ("head", CRecord),
        ("error", c_int32),
        ("dirfd", c_int32),
        ("dirfd_to", c_int32),
        ("found", c_uint32),
        ("path", c_char * 256),
        ("to", c_char * 256),
    )


class CIpc(ctypes.Structure):
    """`struct ipc_record`."""

    _fields_ = (
        ("head", CRecord),
        ("peer", CInodeKey),
        ("error", c_int32),
        ("length", c_uint32),
        ("name", c_uint8 * 108),
        ("reserved", c_uint32),
    )


class CMemory(ctypes.Structure):
    """`struct memory_record`."""

    _fields_ = (("head", CRecord), ("victim", c_uint32), ("how", c_uint32))


class CCall(ctypes.Structure):
    """`struct call_record`."""

    _fields_ = (("head", CRecord), ("error", c_int32), ("number", c_uint32), ("argument", c_uint64))


@dataclass(frozen=True, slots=True)
class Label:
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


@dataclass(frozen=True, slots=True)
class InodeKey:
    """An inode as the kernel names it; `stat` may show other numbers."""

    inode: int
    device: int
    generation: int

    def __bytes__(self) -> bytes:
        return bytes(CInodeKey(self.inode, self.device, self.generation))


@dataclass(frozen=True, slots=True)
class Head:
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


@dataclass(frozen=True, slots=True)
class ForkRecord:
    """A labelled process (`head.pid`) has a child, labelled alike."""

    head: Head
    child: int


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """The last thread of a labelled process is gone; `status` as wait(2) has it."""

    head: Head
    status: int


@dataclass(frozen=True, slots=True)
class LostLabelRecord:
    """The label map was full: the parent is dead and `child` must be killed, unless `killed` says it was."""

    head: Head
    child: int
    killed: bool


@dataclass(frozen=True, slots=True)
class ExecRecord:
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


@dataclass(frozen=True, slots=True)
class NetRecord:
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


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A change of a name or file, done or refused (`error`). The paths are the caller's words: evidence.

    Only where the kernel itself minded an open is `path` the one it found.
    """

    head: Head
    error: int
    path: str
    to: str
    dirfd: int
    dirfd_to: int


@dataclass(frozen=True, slots=True)
class IpcRecord:
    """connect(2) on a unix socket; an abstract name starts with `@`."""

    head: Head
    peer: InodeKey | None
    error: int
    name: str


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """An attempt on the memory, environment or descriptors of process `victim`."""

    head: Head
    victim: int
    how: str


@dataclass(frozen=True, slots=True)
class CallRecord:
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
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _key(raw: CInodeKey) -> InodeKey:
    return InodeKey(raw.inode, raw.device, raw.generation)


def _fork(raw: CFork, head: Head) -> ForkRecord:
    return ForkRecord(head, raw.child)


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


def _net(raw: CNet, head: Head) -> NetRecord:
    return NetRecord(
        head=head,
        address="" if raw.flags & SOCKET else _address(raw),
        port=raw.port,
        family=raw.family,
        type=raw.type,
        protocol=raw.protocol,
        allowed=bool(raw.flags & ALLOWED),
        send=bool(raw.flags & SEND),
    )


def _address(raw: CNet) -> str:
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
    return MemoryRecord(head, raw.victim, MEMORY_HOW[min(raw.how, len(MEMORY_HOW) - 1)])


def _call(raw: CCall, head: Head) -> CallRecord:
    return CallRecord(head, raw.error, raw.number, raw.argument)


_DECODERS: dict[int, tuple[type[ctypes.Structure], int, Callable[..., Record]]] = {
    FORK: (CFork, ctypes.sizeof(CFork), _fork),
    EXIT: (CExit, ctypes.sizeof(CExit), _exit),
    LOST_LABEL: (CLostLabel, ctypes.sizeof(CLostLabel), _lost_label),
    EXEC: (CExec, CExec.argv.offset, _exec),
    NET: (CNet, ctypes.sizeof(CNet), _net),
    FILE: (CFile, CFile.path.offset + 1, _file),
    IPC: (CIpc, ctypes.sizeof(CIpc), _ipc),
    MEMORY: (CMemory, ctypes.sizeof(CMemory), _memory),
    CALL: (CCall, ctypes.sizeof(CCall), _call),
}
