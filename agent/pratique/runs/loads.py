"""Code of others inside package managers: what each loads into its own process, where it has a manager's rights."""

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pratique import proc
from pratique.managers.base import DECIDING, Manager
from pratique.model import Event, Exec
from pratique.runs.tree import Process

_NO_CODE = ("HOME", "PYTHONNOUSERSITE")
"""Variables that decide it without naming anything."""


class Load(NamedTuple):
    """A file that brings code of others into a manager."""

    process: Process
    path: str
    time: float
    """When that manager began."""


class Loads:
    """The managers of one run. `begin` as each begins, `look` when it is judged, `untold` at the end."""

    def __init__(self, managers: Mapping[str, Manager], environment: Mapping[str, str]) -> None:
        self._managers, self._environment = managers, environment
        self._started: dict[int, Mapping[str, str]] = {}
        self._found: dict[int, list[Load]] = {}
        self._told: set[str] = set()

    def begin(self, event: Event) -> None:
        """Read what it was started with: at once, for later it may be gone, or have written over it."""
        held = proc.environment_of(event.pid)
        self._started[event.pid] = {key: held[key] for key in DECIDING if key in held}
        self._found.pop(event.pid, None)

    def is_told(self, pid: int) -> bool:
        """Whether it was started with a variable by which code may be loaded."""
        return any(key not in _NO_CODE for key in self._started.get(pid, ()))

    def look(
        self, process: Process, name: str, image: Exec, environment: Mapping[str, str] | None = None
    ) -> None:
        """Note what a manager of this family loads. `environment`: of one that cannot change it; else as it began."""
        held = environment or self._started.pop(process.pid, None) or self._environment
        try:
            found = self._managers[name].inside(_spelt_out(image), held, image.cwd)
        except (OSError, ValueError):
            return  # a file that cannot be read only makes the report say less
        if found:
            started = process.image.time if process.image else process.started
            self._found[process.pid] = [Load(process, path, started) for path in found]

    def is_in(self, pid: int) -> bool:
        """Whether code of others is in this manager."""
        return pid in self._found

    def spare(self, path: str) -> None:
        """It was refused to a manager: there is nothing to tell."""
        self._told.add(path)

    def untold(self) -> Iterator[Load]:
        """Each file once for the run."""
        for load in (load for found in self._found.values() for load in found):
            if load.path not in self._told:
                self._told.add(load.path)
                yield load


def _spelt_out(image: Exec) -> tuple[str, ...]:
    """Its words, the first of them with the whole path of what was executed."""
    if not image.argv:
        return ()
    first = image.exe if image.exe.endswith(f"/{image.argv[0]}") else image.argv[0]
    return (os.path.normpath(os.path.join(image.cwd, first)) if "/" in first else first, *image.argv[1:])  # noqa: PTH118
