"""Calls that no manager and no helper needs: refused to everybody, and told of where a rule speaks of them."""

import errno
from collections.abc import Mapping

from pratique.backends.rootless.answers import Answer, Fail
from pratique.backends.rootless.judge import Judge
from pratique.backends.rootless.listener import Call
from pratique.backends.rootless.tasks import Task
from pratique.words import Act

_BY_ACT: Mapping[Act, tuple[str, ...]] = {
    Act.KERNEL_BPF: (
        *("bpf", "perf_event_open", "userfaultfd"),
        *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load"),
    ),
    Act.MOUNT: (
        *("mount", "umount2", "pivot_root", "fsopen", "fsconfig", "fsmount", "fspick", "open_by_handle_at"),
        *("open_tree", "open_tree_attr", "move_mount", "mount_setattr"),
    ),
    Act.NS_ENTER: ("setns", "unshare", "clone"),
    Act.RING: ("io_uring_setup",),
}
NAMES: Mapping[str, Act] = {name: act for act, names in _BY_ACT.items() for name in names}


def refused(name: str, task: Task, _call: Call, judge: Judge) -> Answer:
    """Refuse; a ring as a kernel without rings would, since every program goes on without one."""
    act = NAMES[name]
    judge.refuses(task, act, (), {"request": name})
    return Fail(errno.ENOSYS if act is Act.RING else errno.EPERM)
