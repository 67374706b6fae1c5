"""Directories of the user's own: what `.`, `./dir`, `-e dir` and lines of requirements files name."""

import os
import re
import stat
from pathlib import Path

from pratique.managers.pip.arguments import Wanted, is_path, local_path, url_of

_CODE = ("setup.py", "setup.cfg", "pyproject.toml")


def directories(wanted: Wanted, cwd: str) -> dict[str, tuple[int, int]]:
    """Real path → (device, inode) of each directory the user named.

    Taken before any package code runs: what is put in its place later has another inode.
    """
    named = [_directory(word, cwd, editable=False) for word in wanted.requirements]
    named += [_directory(word, cwd, editable=True) for word in wanted.editables]
    return {path: key for path in named if path and (key := inode(path))}


def inode(path: str) -> tuple[int, int] | None:
    """(device, inode) of a directory, None if it is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def code(path: str) -> list[str]:
    """The files that decide what building the directory runs."""
    return [str(Path(path, name)) for name in _CODE if Path(path, name).exists()]


def _directory(word: str, cwd: str, *, editable: bool) -> str | None:
    bare = re.sub(r"\[[^\]/]*\]$", "", word.partition("#")[0].partition(";")[0].strip())
    url = url_of(word)
    path = local_path(url or bare)
    if path is None and url is None and (editable or is_path(bare)):
        path = bare
    return os.path.realpath(Path(cwd, path)) if path and Path(cwd, path).is_dir() else None
