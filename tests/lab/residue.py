"""What a run must not leave behind: processes, mounts, BPF objects; seen by an outsider before and after."""

import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

MARK = "PRATIQUE_LAB_MARK"
"""Set in the environment of every command of the lab: whatever carries it afterwards was left behind."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Mounts and unowned BPF objects of the host at one moment."""

    mounts: frozenset[str] = field(default_factory=frozenset)
    bpf: frozenset[str] = field(default_factory=frozenset)

    def left_since(self, earlier: "Snapshot") -> set[str]:
        """List what is here now and was not then."""
        return set((self.mounts - earlier.mounts) | (self.bpf - earlier.bpf))


def left_since(earlier: Snapshot, patience: float = 4.0) -> list[str]:
    """List what stays: the kernel frees BPF objects some time after their last holder is gone."""
    deadline = time.monotonic() + patience
    left = snapshot().left_since(earlier)
    while left and time.monotonic() < deadline:
        time.sleep(0.2)
        left &= snapshot().left_since(earlier)
    return sorted(left)


def snapshot() -> Snapshot:
    """Take the state of the host as anyone in the first mount namespace sees it."""
    lines = Path("/proc/1/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    mounts = frozenset(f"mount {line.split(' ')[4]}" for line in lines)
    return Snapshot(mounts, frozenset(_unowned("link") | _unowned("prog")))


def marked(mark: str) -> list[int]:
    """Live processes whose environment carries the mark, whoever their parent is by now."""
    wanted = f"{MARK}={mark}".encode()
    return [pid for pid in _pids() if pid != os.getpid() and wanted in _environ(pid)]


def holds_fanotify(pid: int) -> bool:
    """Whether a process has a fanotify group open."""
    try:
        return any("fanotify" in str(link.readlink()) for link in Path("/proc", str(pid), "fd").iterdir())
    except OSError:
        return False


def _unowned(kind: str) -> set[str]:
    # An object with a living holder belongs to whoever runs beside us; a pinned or attached one stays unheld.
    if os.geteuid() != 0:  # who cannot load any has left none
        return set()
    done = subprocess.run(["bpftool", "-j", kind, "show"], capture_output=True, timeout=20, check=False)
    found = json.loads(done.stdout or b"[]") if done.returncode == 0 else []
    items = found if isinstance(found, list) else []
    unheld = (item for item in items if not item.get("pids"))
    return {f"bpf {kind} {item['id']} {item.get('name', item.get('type'))}" for item in unheld}


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _environ(pid: int) -> list[bytes]:
    try:
        return Path("/proc", str(pid), "environ").read_bytes().split(b"\0")
    except OSError:
        return []
