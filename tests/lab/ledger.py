"""What the lab puts on the host: each entry carries its maker's pid, so a crash leaves nothing for long."""

import fcntl
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.errors import LabError

HOMES = Path("/home") if os.access("/home", os.W_OK) else Path(tempfile.gettempdir())
"""Decoy homes stand where real ones do: a temporary folder would draw rules about temporary folders."""
PREFIX = "pratique-lab-"
_LEDGER = (
    Path("/run/pratique-lab") if os.geteuid() == 0 else Path(tempfile.gettempdir(), f"pratique-{os.getuid()}")
)


def new_folder(kind: str, parent: Path | None = None) -> Path:
    """Make a folder that `sweep` removes once this process is dead."""
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-{kind}-", dir=parent))


def sweep() -> None:
    """Remove what dead lab processes left behind: folders, and files put in system places."""
    for parent in (HOMES, Path(tempfile.gettempdir())):
        for folder in parent.glob(f"{PREFIX}*"):
            if _is_dead(folder.name.removeprefix(PREFIX).split("-")[0]):
                shutil.rmtree(folder, ignore_errors=True)
    for record in _LEDGER.glob("*.json"):
        if _is_dead(record.stem.split("-")[0]):
            with suppress(FileNotFoundError):  # another process sweeps as well
                _undo(record)


@contextmanager
def exclusive(name: str, wait: bool = True) -> Iterator[bool]:
    """Hold the lab-wide lock `name`; yields False when it is taken and `wait` is off. The kernel frees it."""
    _LEDGER.mkdir(mode=0o700, exist_ok=True)
    with (_LEDGER / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


@contextmanager
def system_place(path: Path) -> Iterator[Path]:
    """Lend a path outside the lab (a socket, a mounted secret) that must not exist; gone afterwards."""
    if path.exists():
        raise LabError(f"{path} exists on this host: the lab does not touch it")
    missing = [folder for folder in path.parents if not folder.exists()]
    record = _LEDGER / f"{os.getpid()}-{secrets.token_hex(4)}.json"
    _LEDGER.mkdir(mode=0o700, exist_ok=True)
    record.write_text(json.dumps([str(path), *map(str, missing)]), encoding="utf-8")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield path
    finally:
        _undo(record)


def _undo(record: Path) -> None:
    first, *folders = json.loads(record.read_text(encoding="utf-8"))
    Path(first).unlink(missing_ok=True)
    for folder in folders:
        if Path(folder).is_dir() and not any(Path(folder).iterdir()):
            Path(folder).rmdir()
    record.unlink(missing_ok=True)


def _is_dead(pid: str) -> bool:
    return not Path("/proc", pid).exists()
