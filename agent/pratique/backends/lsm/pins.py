"""What keeps refusing although the agent was killed: the links and labels of a run, named in the BPF file system."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from pratique import proc
from pratique.backends import libbpf
from pratique.backends.hooks.guardian import pids
from pratique.errors import GuardError

ROOT = Path("/sys/fs/bpf")
_PREFIX = "pratique-"
_END_SECONDS = 5.0


def folder() -> Path:
    """A new folder for the pins of this process; `GuardError` where there is no BPF file system."""
    made = ROOT / f"{_PREFIX}{os.getpid()}-{proc.began(os.getpid())}"
    try:
        made.mkdir(mode=0o700)
    except OSError as error:
        raise GuardError(
            f"no BPF file system at {ROOT} ({error.strerror}): refusals would end with the agent",
            f"mount -t bpf bpf {ROOT}",
        ) from error
    return made


def remove(pinned: Path) -> None:
    """Take the names away, and with the last of them the programs; safe to call twice."""
    with contextlib.suppress(FileNotFoundError):
        for path in pinned.iterdir():
            path.unlink()
        pinned.rmdir()


def abandoned() -> Iterator[Path]:
    """Folders whose agent is gone."""
    with contextlib.suppress(OSError):
        for path in sorted(ROOT.glob(f"{_PREFIX}*-*")):
            pid, _, started = path.name.removeprefix(_PREFIX).partition("-")
            if not pid.isdigit() or proc.began(int(pid)) != started:
                yield path


def labelled(pinned: Path, name: str = "labels") -> list[int]:
    """Processes that are still under the guard of an abandoned run."""
    try:
        labels = libbpf.pinned(pinned / name)
    except OSError:
        return []
    try:
        return pids(labels)
    finally:
        os.close(labels)


def sweep() -> None:
    """Remove the pins of dead agents whose trees are gone as well."""
    for pinned in abandoned():
        if not labelled(pinned):
            remove(pinned)


def clean_up() -> list[str]:
    """End what abandoned runs left behind, then their programs; one line for each thing done."""
    done = []
    for pinned in abandoned():
        done += [f"process {pid} ended" for pid in _end(partial(labelled, pinned))]
        remove(pinned)
        done.append(f"{pinned} removed")
    return done


def end_of_daemon(kept: Path, but: str = "") -> None:
    """End what is labelled by what a daemon keeps in a folder, in each version of it `but` one: it goes next."""
    with contextlib.suppress(OSError):
        for version in kept.iterdir():
            if version.name != but:
                _end(partial(labelled, version, "map-labels"))


def _end(labelled: Callable[[], list[int]]) -> list[int]:
    ended: dict[int, None] = {}
    deadline = time.monotonic() + _END_SECONDS
    while (alive := labelled()) and time.monotonic() < deadline:
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                ended[pid] = None
        time.sleep(0.02)
    return list(ended)
