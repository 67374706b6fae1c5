"""The programs of the `lsm` objects: which hook each answers, and which of them this kernel can have."""

from collections.abc import Iterator
from dataclasses import dataclass

from pratique.backends.libbpf.btf import KernelTypes


@dataclass(frozen=True, slots=True)
class Program:
    """One program; `arguments` where the hook's have moved between kernels and each form has its own program."""

    name: str
    hook: str
    arguments: int | None = None


PROGRAMS = (
    Program("on_file_open", "file_open"),
    Program("on_mknod", "path_mknod"),
    Program("on_mkdir", "path_mkdir"),
    Program("on_symlink", "path_symlink"),
    Program("on_link", "path_link"),
    Program("on_rename", "path_rename"),
    Program("on_unlink", "path_unlink"),
    Program("on_rmdir", "path_rmdir"),
    Program("on_truncate", "path_truncate"),
    Program("on_file_truncate", "file_truncate"),
    Program("on_chmod", "path_chmod"),
    Program("on_chown", "path_chown"),
    Program("on_bprm_check", "bprm_check_security"),
    Program("on_mmap", "mmap_file"),
    Program("on_mprotect", "file_mprotect"),
    Program("on_unix_connect", "unix_stream_connect"),
    Program("on_unix_send", "unix_may_send"),
    Program("on_socket_create", "socket_create"),
    Program("on_ptrace", "ptrace_access_check"),
    Program("on_kill", "task_kill"),
    Program("on_bpf", "bpf", 3),
    Program("on_bpf_kernel", "bpf", 4),
    Program("on_perf_attributes", "perf_event_open", 2),
    Program("on_perf", "perf_event_open", 1),
    Program("on_read_file", "kernel_read_file"),
    Program("on_load_data", "kernel_load_data"),
    Program("on_userns", "userns_create"),
    Program("on_mount", "sb_mount"),
    Program("on_move_mount", "move_mount"),
    Program("on_umount", "sb_umount"),
    Program("on_pivot", "sb_pivotroot"),
    Program("on_anonymous", "inode_init_security_anon"),
    Program("on_setuid", "task_fix_setuid"),
)


ELSEWHERE = frozenset({"file_truncate"})
"""Hooks whose acts another one sees on kernels without them: there path_truncate sees every truncation."""

OBJECTS = {"lsm": "lsm.bpf.o", "fmod_ret": "fmod_ret.bpf.o"}
"""Ways to attach, the better first, and the object that holds the programs for each."""
# The two name the same function differently, here and there also by another word.
_FUNCTIONS = {"lsm": "bpf_lsm_{}", "fmod_ret": "security_{}"}
_CALLERS = {"bprm_check_security": "bprm_check", "userns_create": "create_user_ns"}


def function(attachment: str, hook: str) -> str:
    """The kernel function that an attachment of the hook is made to."""
    name = _CALLERS.get(hook, hook) if attachment == "fmod_ret" else hook
    return _FUNCTIONS[attachment].format(name)


def fitting(attachment: str, types: KernelTypes) -> Iterator[Program]:
    """The programs whose hook this kernel has in the form they are written for."""
    for program in PROGRAMS:
        found = types.arguments(function(attachment, program.hook))
        if found is not None and program.arguments in (None, found):
            yield program
