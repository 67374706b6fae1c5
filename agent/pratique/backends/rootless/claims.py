"""What each row of the coverage table can promise here, and by what; `backends.proof` lowers it to what it sees."""

from collections.abc import Mapping

from pratique.backends.rootless.capability import ENCLOSED, TRACED
from pratique.words import Level

_OPENED = "Landlock refuses; the supervisor opens for those who may"
_HELD = "Landlock refuses; the supervisor changes it for those who may"
_MARKED = "done by the supervisor or not at all"
_PROGRAM = "refused at the call; a name changed behind it ends at the first call of what it started"
_PEER = "the supervisor connects, on copies of socket and address"
_ASKED = "refused by the supervisor, by registers alone"
_SCOPE = "the Landlock domain"

_E, _B = Level.ENFORCED, Level.KILLED_BEFORE
_READS = ("file.read", "file.read.linked")
_CHANGES = (
    *("file.write", "file.write.managed", "file.create", "file.create.inside", "file.create.managed"),
    *("file.create.directory", "file.rename.onto", "file.rename.into", "file.rename.parent"),
    *("file.link", "file.link.symbolic", "file.remove", "file.truncate"),
)
_PROGRAMS = ("exec.listed", "exec.memfd", "exec.deleted", "exec.hidden", "priv.gain")
_PEERS = (
    *("net.connect.tcp4", "net.connect.tcp6", "net.connect.udp", "net.dns", "net.dns.name"),
    *("ipc.connect", "ipc.connect.agent", "ipc.connect.late", "ipc.connect.abstract"),
)
_CALLS = (
    "net.connect.raw",
    "net.connect.packet",
    "kernel.bpf",
    "ns.enter",
    "mount",
    "ring",
    "proc.memory.ptrace",
)
_DOMAIN = ("proc.memory.root", "proc.signal")

CLAIMS: dict[str, tuple[Level, str]] = {
    **dict.fromkeys(_READS, (_E, _OPENED)),
    **dict.fromkeys(_CHANGES, (_E, _HELD)),
    "file.setattr": (_E, _MARKED),
    **dict.fromkeys(_PROGRAMS, (_B, _PROGRAM)),
    "exec.fresh": (Level.SEEN, "audited: installers do this"),
    "exec.loader": (Level.BLIND, "what is executed is ld.so"),
    "exec.map": (Level.BLIND, "nothing here sees mappings"),
    **dict.fromkeys(_PEERS, (_E, _PEER)),
    **dict.fromkeys(_CALLS, (_E, _ASKED)),
    "net.listen": (Level.SEEN, "audited"),
    "proc.memory.read": (_E, "the supervisor opens files of /proc, of the caller's own processes"),
    **dict.fromkeys(_DOMAIN, (_E, _SCOPE)),
}
"""Tiers 2 and 3."""

_LATE = "refused by its name; opened by another one, its author is killed when the open returns"
_NO_DATAGRAMS = "package code gets no datagram sockets"
_OPENS = ("file.read", "file.read.linked", "file.write", "file.write.managed", "file.create")
_IN_FOLDERS = ("file.create.inside", "file.create.managed", "proc.memory.read", "proc.memory.root")
_DATAGRAMS = ("net.connect.udp", "net.dns", "net.dns.name")
_NOBODY = "no process outside has a number inside"
_NO_ROUTE = "the supervisor connects, on a socket of its own; the caller's have no route"
_CONNECTS = ("net.connect.tcp4", "net.connect.tcp6", "net.connect.udp", "net.dns", "net.dns.name")
_OTHERS = (*_DOMAIN, "proc.memory.ptrace", "proc.memory.read")


def claims(tier: int, *, made: bool) -> Mapping[str, tuple[Level, str]]:
    """Those of a tier; `made`: sockets cannot be copied."""
    late = dict.fromkeys((*_OPENS, *_IN_FOLDERS), (Level.KILLED_AFTER, _LATE)) if tier == TRACED else {}
    datagrams = dict.fromkeys(_DATAGRAMS, (_E, _NO_DATAGRAMS)) if made else {}
    nobody = dict.fromkeys(_OTHERS, (_E, _NOBODY)) if tier == ENCLOSED else {}
    routes = dict.fromkeys(_CONNECTS, (_E, _NO_ROUTE)) if tier == ENCLOSED else {}
    return CLAIMS | late | datagrams | nobody | routes
