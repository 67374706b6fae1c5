"""How each backend can refuse each act: what the compiler accepts and `rules explain` prints (docs/rules.md).

A row here says what is used, not how well it works on a host: that is proved by `pratique doctor`.
"""

from pratique.words import Act

BACKENDS = ("hooks", "lsm", "rootless")

ANY = "*"
_CHANGES = (
    Act.FILE_LINK,
    Act.FILE_RENAME,
    Act.FILE_REMOVE,
    Act.FILE_TRUNCATE,
    Act.FILE_SETATTR,
)
_STATIC = "read-only binds where the place is static in a wrapped run; elsewhere not prevented"

_OPENED = "Landlock; the supervisor opens for those who may"
_MADE = "Landlock; the supervisor does it for those who may"
_AT_EXEC = "refused at the call; what really runs is checked before its first own step"
_PEER = "the supervisor connects and sends, on copies"
_FILTER = "system call filter, answered by registers alone"

# (act, kind of group) → backend → how. What is missing cannot be asked for.
_TABLE: dict[tuple[Act, str], dict[str, str]] = {
    (Act.EXEC, "exe"): {
        "hooks": "fanotify, at the open for execution",
        "lsm": "bprm_check_security",
        "rootless": _AT_EXEC,
    },
    (Act.EXEC, "code"): {
        "hooks": "killed at sched_process_exec, before the first instruction",
        "lsm": "bprm_check_security",
        "rootless": _AT_EXEC,
    },
    (Act.FILE_READ, "file"): {"hooks": "fanotify, at the open", "lsm": "file_open", "rootless": _OPENED},
    (Act.FILE_WRITE, "file"): {
        "hooks": "read-only binds where static; else told at the call, see doctor",
        "lsm": "file_open",
        "rootless": _OPENED,
    },
    (Act.FILE_CREATE, "file"): {
        "hooks": "fanotify on the parent, at the open (an empty file may stay)",
        "lsm": "path_mknod, path_mkdir: nothing is left behind",
        "rootless": _MADE,
    },
    **{
        (act, "file"): {"hooks": _STATIC, "lsm": "the path hook of the act", "rootless": _MADE}
        for act in _CHANGES
    },
    (Act.NET_CONNECT, "net"): {
        "hooks": "cgroup connect and sendmsg",
        "lsm": "cgroup connect and sendmsg",
        "rootless": _PEER,
    },
    (Act.NET_CONNECT, "code"): {
        "hooks": "cgroup connect, sock_create and post_bind",
        "lsm": "the same, and socket_create",
        "rootless": _PEER,
    },
    (Act.NET_CONNECT, ANY): {
        "hooks": "cgroup connect and sendmsg",
        "lsm": "cgroup connect and sendmsg",
        "rootless": _PEER,
    },
    (Act.NET_DNS, ANY): {
        "hooks": "cgroup egress: the question is dropped at send",
        "lsm": "the same",
        "rootless": "the supervisor does not connect to port 53",
    },
    (Act.IPC_CONNECT, "ipc"): {
        "hooks": "masked in a wrapped run where static",
        "lsm": "unix_stream_connect, unix_may_send",
        "rootless": _PEER,
    },
    (Act.PROC_MEMORY, "code"): {
        "hooks": "killed at the call, before it happens",
        "lsm": "ptrace_access_check",
        "rootless": "the supervisor answers by process number; Landlock outside the run",
    },
    (Act.PROC_MEMORY, ANY): {
        "hooks": "killed at the call, before it happens",
        "lsm": "ptrace_access_check",
        "rootless": "the supervisor answers by process number; Landlock outside the run",
    },
    (Act.PROC_SIGNAL, ANY): {
        "hooks": "Landlock scope in a wrapped run",
        "lsm": "task_kill",
        "rootless": "Landlock scope",
    },
    (Act.KERNEL_BPF, ANY): {
        "hooks": "system call filter in a wrapped run",
        "lsm": "bpf, perf_event_open, kernel_read_file, kernel_load_data",
        "rootless": _FILTER,
    },
    (Act.NS_ENTER, ANY): {"hooks": "not prevented", "lsm": "userns_create", "rootless": _FILTER},
    (Act.MOUNT, ANY): {"hooks": "not prevented", "lsm": "sb_mount, move_mount", "rootless": _FILTER},
    (Act.RING, ANY): {
        "hooks": "system call filter in a wrapped run (ENOSYS)",
        "lsm": "inode_init_security_anon; acts on a ring meet every other hook",
        "rootless": "system call filter (ENOSYS)",
    },
    (Act.PRIV_GAIN, ANY): {"lsm": "task_fix_setuid", "rootless": "no new privileges"},
    (Act.EXEC_MAP, "code"): {"lsm": "mmap_file, file_mprotect"},
}


def lowerings(act: Act, kind: str) -> dict[str, str]:
    """Backend → how it would refuse the act on a group of this kind; empty when none can."""
    return _TABLE.get((act, kind), {})


def kinds(act: Act) -> list[str]:
    """The kinds of groups the act can be ruled on; `*` for any object."""
    return [kind for each, kind in _TABLE if each is act]
