"""Putting a policy file into a project: whole or not at all, through no symbolic link, over nothing unseen."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from pratique import host
from pratique.errors import UsageError
from pratique.policy import sources

NAME = "pratique.toml"
_MODE = 0o644


def project_file() -> Path:
    """Where this project's policy file is, or would be: the git root above here, or here."""
    try:
        return Path(host.project_root(str(Path.cwd()))) / NAME
    except FileNotFoundError as error:
        raise UsageError("the current directory no longer exists", "cd to another one") from error


def exists(path: Path) -> bool:
    """Whether anything has that name, a dangling link too."""
    return os.path.lexists(path)


def current(path: Path) -> bytes | None:
    """What the file holds now, None when there is none; `ConfigError` when it cannot be read safely."""
    try:
        return sources.read_once(str(path))[0]
    except FileNotFoundError:
        return None


def create(path: Path, data: bytes) -> None:
    """Write a new file of the person who typed the command; `UsageError` when anything has that name."""
    _put(path, data, None)


def replace(path: Path, data: bytes, seen: bytes) -> None:
    """Put `data` in place of a file that still holds `seen`; its owner and mode stay."""
    _put(path, data, seen)


def _put(path: Path, data: bytes, seen: bytes | None) -> None:
    temporary = f".{NAME}.{os.urandom(6).hex()}"
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _cannot(path, error.strerror) from error
    try:
        _fill(folder, temporary, data, path, seen)
        _swap(folder, temporary, path, seen)
    except OSError as error:
        raise _cannot(path, error.strerror) from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        os.close(folder)


def _fill(folder: int, temporary: str, data: bytes, path: Path, seen: bytes | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    owner, mode = host.invoking_ids(), _MODE
    if seen is not None:
        facts = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
        owner, mode = (facts.st_uid, facts.st_gid), stat.S_IMODE(facts.st_mode)
    with os.fdopen(os.open(temporary, flags, 0o600, dir_fd=folder), "wb") as file:
        if os.geteuid() == 0:
            os.fchown(file.fileno(), *owner)
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _swap(folder: int, temporary: str, path: Path, seen: bytes | None) -> None:
    """Put it under its name: a new file by link, which never replaces; an old one only as it was seen."""
    if seen is None:
        try:
            os.link(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            raise UsageError(f"{path} exists", "it is left as it is") from None
    elif current(path) != seen:
        raise UsageError(f"{path} was changed meanwhile", "look at it and try again")
    else:
        os.rename(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


def _cannot(path: Path, why: str | None) -> UsageError:
    return UsageError(f"cannot write {path}: {why}", "choose a directory that you may write")
