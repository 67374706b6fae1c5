"""Which programs managers start themselves: closed tables over the image really mapped and its words."""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pratique.managers.base import Context, Stopped
from pratique.managers.matching import basename

_INTERPRETERS = ("python", "pypy", "sh", "dash", "bash", "busybox", "perl")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a helper table."""

    name: str
    by: tuple[str, ...]
    words: tuple[str, ...]
    exe: tuple[str, ...] = ()
    script: str = ""
    places: tuple[str, ...] = ()
    """Directories outside the system's where it may lie too."""
    checkout: bool = False
    """It may work inside a checkout that a helper of this run made."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Row":
        """From a table of a data file."""
        words: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
        }
        return cls(**words)


@dataclass(frozen=True, slots=True)
class Shared:
    """All of `helpers.toml`: what holds for every manager."""

    rows: tuple[Row, ...]
    system: tuple[str, ...]
    lifecycle: tuple[str, ...]


@cache
def shared() -> Shared:
    """Read the data file; it is ours, so a mistake in it is a bug and raises."""
    data = tomllib.loads((Path(__file__).parent / "helpers.toml").read_text(encoding="utf-8"))
    rows = tuple(Row.of(row) for row in data["helper"])
    return Shared(rows, tuple(data["system"]), tuple(data["lifecycle"]))


def helper(child: Stopped, context: Context, rows: Sequence[Row], manager: str | None) -> Row | None:
    """The row `child` fits, None if none; `manager` names who started it, None if another helper did."""
    starters = {manager} if manager else _names(context.parent, context, rows)
    return next((row for row in rows if starters & set(row.by) and _fits(row, child, context)), None)


def lifecycle(child: Stopped, context: Context) -> str | None:
    """A variable that only build scripts are given, and that the manager did not have itself."""
    ours, theirs = child.environment, context.manager.environment
    return next((key for key in shared().lifecycle if key in ours and ours[key] != theirs.get(key)), None)


def in_directories(path: str, directories: tuple[str, ...]) -> bool:
    """Whether a path lies below one of the directories; no link is followed."""
    return any(path.startswith(directory.rstrip("/") + "/") for directory in directories)


def _names(parent: Stopped, context: Context, rows: Sequence[Row]) -> set[str]:
    return {row.name for row in rows if _fits(row, parent, context)}


def _fits(row: Row, child: Stopped, context: Context) -> bool:
    if not row.script:
        places = shared().system + _homes(row, context)
        return (
            _image(child.exe) in row.exe and _ours(child.exe, places, context) and _shape(row, child.argv[1:])
        )
    return _runs_script(row, child, context)


def _runs_script(row: Row, child: Stopped, context: Context) -> bool:
    words = list(child.argv[1:])
    while words and words[0].startswith("-"):
        words.pop(0)
    if not words or not words[0].startswith("/") or basename(child.exe) not in _INTERPRETERS:
        return False
    script = os.path.realpath(words[0])
    trusted = child.exe == context.manager.exe or _ours(child.exe, shared().system, context)
    places = shared().system + _homes(row, context)
    return (
        trusted
        and _image(script) in row.script.split("|")
        and _ours(script, places, context)
        and _shape(row, tuple(words[1:]))
    )


def _image(path: str) -> str:
    return path.rpartition("/")[2]


def _ours(path: str, places: tuple[str, ...], context: Context) -> bool:
    """Lies in one of the places, only its owner may write it, and no package of this run did."""
    if not in_directories(path, places) or context.written_by_package(path):
        return False
    try:
        status = os.lstat(path)
        owners = {0, Path(f"/proc/{context.manager.pid}").stat().st_uid}
    except OSError:
        return False
    return status.st_uid in owners and not status.st_mode & 0o022


def _homes(row: Row, context: Context) -> tuple[str, ...]:
    home = context.manager.environment.get("HOME", "")
    real = os.path.realpath(home) if home.startswith("/") else ""
    return tuple(place.replace("~", real, 1) for place in row.places) if real and real != "/" else ()


def _shape(row: Row, words: tuple[str, ...]) -> bool:
    for index, pattern in enumerate(row.words):
        if pattern == "**":
            return True
        if index >= len(words) or not re.fullmatch(pattern, words[index]):
            return False
    return len(words) == len(row.words)
