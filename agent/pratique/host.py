"""Facts about this host that several parts need: homes, project root, state directories, the invoking user."""

import contextlib
import os
import pwd
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path

# PROC_PID_INIT_INO of the kernel: fixed since there are pid namespaces.
_FIRST_PID_NAMESPACE = 0xEFFFFFFC
_RESOLV_CONF = Path("/etc/resolv.conf")
_LOGIN_UIDS = range(1000, 60000)
_NO_ID = 2**32 - 1
BOOTED = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
"""Seconds after the epoch at which this host started, as its clock said when the agent did. Events count from
there, so that steps of the clock in mid-run do not reorder them."""


def homes(environment: Mapping[str, str]) -> list[str]:
    """Every home whose secrets count: the command's `HOME`, root's and each login user's; existing ones, once."""
    entries = pwd.getpwall()
    named = [
        entry.pw_dir for entry in entries if entry.pw_uid in (0, os.getuid()) or entry.pw_uid in _LOGIN_UIDS
    ]
    ordered = [environment.get("HOME", ""), *named]
    resolved = (os.path.realpath(home) for home in ordered if home not in ("", "/"))
    return [home for home in dict.fromkeys(resolved) if Path(home).is_dir() and home != "/"]


def homes_beside(homes: Sequence[str]) -> list[str]:
    """Homes that were made since: directories of people in `/home`, or where root keeps the homes that are known."""
    parents = dict.fromkeys(["/home", *map(os.path.dirname, homes)])
    found = (path for parent in parents if _is_roots(parent) for path in _of_people(parent))
    return [path for path in found if path not in homes]


def _is_roots(folder: str) -> bool:
    """Whether only root makes entries there; `/` holds everything, and no homes."""
    if folder in ("", "/"):
        return False
    try:
        status = os.stat(folder)  # noqa: PTH116 (the launcher's path: no more than is needed)
    except OSError:
        return False
    return status.st_uid == 0 and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _of_people(folder: str) -> list[str]:
    found = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode) and status.st_uid in _LOGIN_UIDS:
                found.append(entry.path)
    return found


def project_root(cwd: str) -> str:
    """The git work tree above `cwd`, or `cwd` itself; what `.` means in groups and where `pratique.toml` is read."""
    start = Path(cwd)
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return str(folder)
    return cwd


def state_dir() -> Path:
    """Where cache, runs and trust are kept (docs/policy.md section 7); created 0700 by whoever writes first."""
    if os.geteuid() == 0:
        return Path("/var/lib/pratique")
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "pratique"


def in_first_pid_namespace() -> bool:
    """Whether process numbers here are the kernel's own; in a container they are not."""
    return Path("/proc/self/ns/pid").stat().st_ino == _FIRST_PID_NAMESPACE


def stamped(moment: float) -> float:
    """When an event was by the clock that stamps files: somebody may have set that since the agent started."""
    return moment - BOOTED + time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Identifier of this boot: capabilities found by trying hold until the next boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def resolvers() -> list[str]:
    """Addresses of the resolvers that this host is set up with."""
    named = [
        words[1].partition("%")[0]
        for words in table(_RESOLV_CONF)
        if words[:1] == ["nameserver"] and words[1:]
    ]
    return [address for address in dict.fromkeys(named) if _is_address(address)]


def table(path: Path) -> Iterator[list[str]]:
    """The words of each line of a file of /etc, comments left out; nothing when it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    yield from filter(None, (line.partition("#")[0].split() for line in text.splitlines()))


def invoking_ids() -> tuple[int, int]:
    """Uid and gid of the person who typed the command, also through sudo; reports belong to them."""
    uid, gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "0")
    if os.geteuid() == 0 and _is_id(uid) and _is_id(gid):
        return int(uid), int(gid)
    return os.getuid(), os.getgid()


def user_name(uid: int) -> str:
    """A user's name, or the number where the host knows none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_id(text: str) -> bool:
    """Whether it is what sudo writes: anybody can set a variable, and chown takes no larger number."""
    return text.isascii() and text.isdigit() and int(text[:20]) < _NO_ID
