"""What is covered on this host now: the table of rows, each with the attempt that proves it.

Claims are what the mechanisms of a wrapped run can promise; `proof` lowers a row to what it observes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pratique.backends import proof
from pratique.backends.base import Backend, Host
from pratique.backends.decoys import Ground
from pratique.backends.proof import Attempt, Witness
from pratique.model import Coverage
from pratique.words import Act, Level

_STATIC = "bound read-only before the command starts"
_AFTER = "no answer can refuse it; its author is killed once the name is there"
_FILTER = "the system call filter of a wrapped run"
_DOMAIN = "the Landlock domain of a wrapped run"
_CGROUP = "refused at the control group"
_AT_OPEN = "killed when the open returns, before the first write"
_AT_EXEC = "killed at exec, before its first instruction"


def prove(
    backend_factory: Callable[[Host], Backend], rows: Sequence[Attempt] | None = None
) -> list[Coverage]:
    """Try every row on a backend made for the decoys; `GuardError` when it cannot be started."""
    return proof.prove(backend_factory, ROWS if rows is None else rows)


def rows(claims: Mapping[str, tuple[Level, str]]) -> list[Attempt]:
    """The same rows with the claims of another backend."""
    return [
        replace(row, claim=claims[row.id][0], reason=claims[row.id][1]) if row.id in claims else row
        for row in ROWS
    ]


def _left(name: str) -> Witness:
    """Tell of an attempt that leaves evidence, or whose program does."""
    return lambda ground: ground.evidence(name) is not None


def _got(name: str) -> Witness:
    return lambda ground: ground.got_canary(name)


def _wrote(name: str) -> Witness:
    return lambda ground: ground.holds_canary(name)


def _heard(listener: str) -> Witness:
    return lambda ground: ground.heard(listener)


def _exists(name: str) -> Witness:
    return lambda ground: ground.has(name)


def _exec(name: str, act: Act, when: str, level: Level, reason: str) -> Attempt:
    return Attempt(name, act, when, level, reason, _left(name))


def _kernel(name: str, act: Act, when: str, reason: str) -> Attempt:
    return Attempt(name, act, when, Level.ENFORCED, reason, _left(name))


def _net(name: str, when: str, listener: str) -> Attempt:
    return Attempt(name, Act.NET_CONNECT, when, Level.ENFORCED, _CGROUP, _heard(listener))


def _emptied(ground: Ground) -> bool:
    return ground.text(".bash_login") == ""


def _gone(ground: Ground) -> bool:
    return not ground.has(".bash_profile")


_E, _B, _A = Level.ENFORCED, Level.KILLED_BEFORE, Level.KILLED_AFTER

ROWS: tuple[Attempt, ...] = (
    Attempt("file.read", Act.FILE_READ, "a listed secret", _E, "the open is answered by the agent",
            _got("file.read")),
    Attempt("file.read.linked", Act.FILE_READ, "a secret through a new hard link", _E,
            "the object is marked, not its name", _got("file.read.linked")),
    Attempt("file.write", Act.FILE_WRITE, "an existing place", _E, _STATIC, _wrote(".bashrc")),
    Attempt("file.write.managed", Act.FILE_WRITE, "an existing place that managers write", _B, _AT_OPEN,
            _wrote(".gitconfig")),
    Attempt("file.create", Act.FILE_CREATE, "a missing file", _E,
            "the open is answered by the agent; an empty file may stay", _wrote(".zshrc")),
    Attempt("file.create.inside", Act.FILE_CREATE, "in an existing directory", _E, _STATIC,
            _exists(".config/systemd/user/decoy.service")),
    Attempt("file.create.managed", Act.FILE_CREATE, "in an existing directory that managers write", _A, _AT_OPEN,
            _exists(".claude/decoy.json")),
    Attempt("file.create.directory", Act.FILE_CREATE, "a missing directory", _A, _AFTER,
            _exists(".config/autostart")),
    Attempt("file.rename.onto", Act.FILE_RENAME, "onto an existing place", _E, _STATIC,
            _wrote(".profile")),
    Attempt("file.rename.into", Act.FILE_RENAME, "into a missing place", _A, _AFTER, _wrote(".zprofile")),
    Attempt("file.rename.parent", Act.FILE_RENAME, "a directory above an existing place", _E,
            "held by a mount of its own", _exists(".config/moved")),
    Attempt("file.link", Act.FILE_LINK, "hard link into a missing place", _A, _AFTER,
            _exists(".zlogin")),
    Attempt("file.link.symbolic", Act.FILE_LINK, "symbolic link into a missing place", _A,
            _AFTER, _exists(".zlogout")),
    Attempt("file.remove", Act.FILE_REMOVE, "an existing place", _E, _STATIC, _gone),
    Attempt("file.truncate", Act.FILE_TRUNCATE, "an existing place", _E, _STATIC, _emptied),
    Attempt("file.setattr", Act.FILE_SETATTR, "an existing place", _E, _STATIC,
            lambda ground: ground.is_executable(".bash_logout")),
    _exec("exec.listed", Act.EXEC, "a listed program", _E, "the exec is answered by the agent"),
    _exec("exec.memfd", Act.EXEC, "a program that never had a name", _B, _AT_EXEC),
    _exec("exec.deleted", Act.EXEC, "a program whose name is gone", _B, _AT_EXEC),
    _exec("exec.hidden", Act.EXEC, "a hidden file in a temporary directory", _E,
          "the exec is answered by the agent; deeper ones are killed at exec"),
    _exec("exec.fresh", Act.EXEC, "a file package code wrote", Level.SEEN, "audited: installers do this"),
    _exec("exec.loader", Act.EXEC_MAP, "`ld.so FILE`", Level.BLIND, "the kernel names only ld.so"),
    _exec("exec.map", Act.EXEC_MAP, "a file mapped executable", Level.BLIND, "no hook here sees mappings"),
    _exec("priv.gain", Act.PRIV_GAIN, "sudo, su and the like", _E, "the exec is answered by the agent"),
    _net("net.connect.tcp4", "TCP over IPv4", "tcp4"),
    _net("net.connect.tcp6", "TCP over IPv6", "tcp6"),
    _net("net.connect.udp", "UDP", "udp"),
    _kernel("net.connect.raw", Act.NET_CONNECT, "raw sockets", _CGROUP),
    _kernel("net.connect.packet", Act.NET_CONNECT, "packet sockets and exotic families", _FILTER),
    Attempt("net.dns", Act.NET_DNS, "another resolver than the host's", _E, _CGROUP, _heard("dns")),
    Attempt("net.dns.name", Act.NET_DNS, "a name, of the host's resolver", _E,
            "the question is read, and refused in the send", _heard("resolver")),
    Attempt("net.listen", Act.NET_LISTEN, "TCP", Level.SEEN, "audited", _left("net.listen")),
    Attempt("ipc.connect", Act.IPC_CONNECT, "a broker that runs", _E, "masked as if absent",
            _heard("broker")),
    Attempt("ipc.connect.agent", Act.IPC_CONNECT, "a key agent that runs", _A,
            "its author is killed before the first send", _heard("agent")),
    Attempt("ipc.connect.late", Act.IPC_CONNECT, "a broker started in mid-run", Level.SEEN,
            "it was not there to be masked", _heard("late")),
    Attempt("ipc.connect.abstract", Act.IPC_CONNECT, "abstract sockets", _E, _DOMAIN, _heard("abstract")),
    _kernel("proc.memory.ptrace", Act.PROC_MEMORY, "ptrace of a process outside", _DOMAIN),
    Attempt("proc.memory.read", Act.PROC_MEMORY, "/proc/PID/mem of a process outside", _E, _DOMAIN,
            _got("proc.memory.read")),
    _kernel("proc.memory.root", Act.PROC_MEMORY, "/proc/PID/root of a process outside", _DOMAIN),
    Attempt("proc.signal", Act.PROC_SIGNAL, "to a process outside", _E, _DOMAIN, Ground.target_died),
    _kernel("kernel.bpf", Act.KERNEL_BPF, "any", _FILTER),
    _kernel("ns.enter", Act.NS_ENTER, "any", _FILTER),
    _kernel("mount", Act.MOUNT, "any", _FILTER),
    _kernel("ring", Act.RING, "io_uring", _FILTER),
)  # fmt: skip
"""Every row of `hooks`; each act of the closed list has at least one."""

_HOOKS_OF_LSM = {
    "file.read": "file_open",
    "file.write": "file_open",
    "file.create": "path_mknod, path_mkdir",
    "file.rename": "path_rename",
    "file.link": "path_link, path_symlink",
    "file.remove": "path_unlink, path_rmdir",
    "file.truncate": "path_truncate, file_truncate",
    "file.setattr": "path_chmod, path_chown",
    "exec": "bprm_check_security",
    "exec.map": "mmap_file, file_mprotect",
    "priv.gain": "bprm_check_security",
    "ipc.connect": "unix_stream_connect, unix_may_send",
    "proc.memory": "ptrace_access_check",
    "proc.signal": "task_kill",
    "kernel.bpf": "bpf, perf_event_open",
    "ns.enter": "userns_create",
    "mount": "sb_mount, move_mount",
    "ring": "inode_init_security_anon; acts on a ring meet every other hook",
}
_SEEN_BY_LSM = {
    "exec.fresh": "audited: installers do this",
    "exec.map": "audited where a rule asks for it",
    "net.listen": "audited",
}


def _in_kernel(row: Attempt) -> Attempt:
    if row.id in _SEEN_BY_LSM:
        return replace(row, claim=Level.SEEN, reason=_SEEN_BY_LSM[row.id])
    if row.id == "net.connect.packet":
        return replace(row, reason="socket_create")
    if row.act.word not in _HOOKS_OF_LSM:
        return row
    return replace(row, claim=_E, reason=_HOOKS_OF_LSM[row.act.word])


LSM_ROWS = tuple(map(_in_kernel, ROWS))
"""The same rows where the kernel itself answers."""
