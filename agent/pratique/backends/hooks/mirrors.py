"""Python's mirrors of the C records and map keys, and of the numbers in them.

The layouts are compared with the BTF of `probes/build/layout.bpf.o` by `tests/unit/test_records.py`.
"""

import ctypes
from ctypes import c_char, c_int32, c_uint8, c_uint16, c_uint32, c_uint64

FORK, EXEC, EXIT, LOST_LABEL, NET, FILE, IPC, MEMORY, CALL = range(1, 10)
PENDING, MIXED, OFF = 1, 2, 4
TAINTED = 1
TRUNCATED, EXEC_PENDING, UNREAD, BEGAN = 1, 2, 4, 8
ALLOWED, SEND, SOCKET, MALFORMED = 1, 2, 4, 8
SHM, HIDDEN_TEMP = 1 << 2, 1 << 3
ALLOWED_WRITE, ALLOWED_IPC, ALLOWED_EXEC, ALLOWED_READ = 1, 2, 3, 4
PATH_KEPT = 248
HOST_KEPT = 248
HOST_PORTS = 8
ORIGIN_ANY = 0xFFFFFFFF
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


class CHostKey(ctypes.Structure):
    """`struct host_key`."""

    _fields_ = (("prefix", c_uint32), ("origin", c_uint32), ("name", c_uint8 * HOST_KEPT))


class CHostAllow(ctypes.Structure):
    """`struct host_allow`."""

    _fields_ = (("port", c_uint16 * HOST_PORTS),)


class CAddressKey(ctypes.Structure):
    """`struct address_key`."""

    _fields_ = (("address", c_uint8 * 16), ("family", c_uint32), ("origin", c_uint32))


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


class CBeginnings(ctypes.Structure):
    """`struct beginnings`."""

    _fields_ = (("family", c_uint64), ("begun", c_uint64), ("scoped", c_uint32), ("keeper", c_uint32))


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
        ("stopped", c_uint8),
        ("group", c_uint16),
        ("rule", c_uint16),
        ("tid", c_uint32),
        ("comm", c_char * 16),
    )


class CFork(ctypes.Structure):
    """`struct fork_record`."""

    _fields_ = (("head", CRecord), ("child", c_uint32), ("shares", c_uint32))


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
        ("reserved", c_uint16),
        ("times", c_uint32),
    )


class CName(ctypes.Structure):
    """`struct name_record`."""

    _anonymous_ = ("net",)
    _fields_ = (("net", CNet), ("name", c_char * 256))


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

    _fields_ = (
        ("head", CRecord),
        ("victim", c_uint32),
        ("how", c_uint32),
        ("user", c_uint32),
        ("reserved", c_uint32),
    )


class CCall(ctypes.Structure):
    """`struct call_record`."""

    _fields_ = (("head", CRecord), ("error", c_int32), ("number", c_uint32), ("argument", c_uint64))
