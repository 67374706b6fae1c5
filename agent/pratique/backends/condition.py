"""The state of this host as far as guarding depends on it, and what an earlier guard may have left on it."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pratique import host
from pratique.backends.lsm import pins
from pratique.backends.rootless.capability import unenclosed

_GUARDIAN = "pratique-guard"


def facts() -> dict[str, str]:
    """What people need to know to mend a gap; `unknown` where the host does not say."""
    return {
        "user": "root"
        if os.geteuid() == 0
        else f"uid {os.geteuid()}: the rootless backend guards; hooks needs root",
        "kernel types (BTF)": "present" if Path("/sys/kernel/btf/vmlinux").exists() else "missing",
        "cgroup v2": _cgroup2() or "not mounted",
        "pid namespace": _pid_namespace(),
        "own namespaces": unenclosed()
        or "can be had by anybody: tier 1 of docs/rootless.md, where asked for",
        "lockdown": _chosen("/sys/kernel/security/lockdown"),
        "security modules": _read("/sys/kernel/security/lsm") or "unknown (securityfs is not mounted)",
        "io_uring": {"0": "allowed by the host", "1": "restricted", "2": "disabled"}.get(
            _read("/proc/sys/kernel/io_uring_disabled") or "", "unknown"
        ),
    }


def left_over() -> list[str]:
    """Guardians without an agent and pins of ours; a run that lives is not left over."""
    return [*_orphans(), *_pins()]


def _orphans() -> Iterator[str]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                fields = (folder / "stat").read_text(encoding="utf-8", errors="replace")
                name, _, rest = fields.partition("(")[2].rpartition(")")
                if name == _GUARDIAN and rest.split()[1] == "1":
                    yield f"process {folder.name} ({name}): its agent is gone; it ends by itself within seconds"


def _pins() -> Iterator[str]:
    for folder in pins.abandoned():
        count = len(pins.labelled(folder))
        yield f"{folder}: its agent is gone, {count} processes are still refused; `pratique doctor --cleanup`"


def _cgroup2() -> str | None:
    for line in (_read("/proc/self/mountinfo") or "").splitlines():
        left, _, right = line.partition(" - ")
        if right.startswith("cgroup2 "):
            return left.split()[4]
    return None


def _pid_namespace() -> str:
    with suppress(OSError):
        if host.in_first_pid_namespace():
            return "the host's"
        return "a container's: file events of outsiders carry no pid here; run on the host"
    return "unknown"


def _chosen(path: str) -> str:
    text = _read(path)
    return text.partition("[")[2].partition("]")[0] or text if text else "unknown"


def _read(path: str) -> str | None:
    with suppress(OSError):
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    return None
