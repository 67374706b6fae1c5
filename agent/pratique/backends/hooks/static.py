"""The static layer of a wrapped run, set in the child before exec (docs/policy.md section 8).

Known limits, beside the `gaps` of a host: an outsider that replaces a read-only file or restarts a broker
takes our mount off it (the kernel detaches it); file marks and kills are behind this layer for that.
"""

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath
from typing import NamedTuple

from pratique import host
from pratique.backends import landlock, seccomp, syscalls
from pratique.errors import GuardError

_RUNTIME_DIR = "/run/pratique"
# Connecting to anything that is no socket fails as if nobody listened, and there is nothing to clean up.
_DEAD_SOCKET = "/dev/null"
# Managers hard-link from stores in here into projects; a mount in between makes them copy or move it.
_STORES = (".local", ".cache")


class _Step(NamedTuple):
    name: str
    run: Callable[[], None]


class RecordingLayer:
    """What a run that only records enters: it refuses nothing, and only lets an inner run know of the outer one."""

    gaps: tuple[str, ...] = (
        "only recording: what the static layer alone would refuse (signals, abstract sockets) is not recorded",
    )

    def __init__(self) -> None:
        self._program = seccomp.mark()

    def enter(self) -> None:
        """Enter, in the child; `GuardError` if that fails."""
        try:
            syscalls.install_filter(self._program)
        except OSError as error:
            raise GuardError(f"mark of the run: {error.strerror}") from error

    def close(self) -> None:
        """Nothing is held."""


class Bare:
    """No layer: a command that nobody started through us."""

    gaps: tuple[str, ...] = ("not wrapped: what the static layer alone would refuse is not refused",)

    def enter(self) -> None:
        """Nothing to enter."""

    def close(self) -> None:
        """Nothing is held."""


class StaticLayer:
    """Existing persistence places read-only, broker sockets dead, calls that could undo it refused.

    `readonly`: files and directories; `masked`: unix sockets; both may be missing. In `homes` the hidden
    directories above a read-only place cannot be renamed away either; renames and hard links into or out of
    them answer EXDEV, which tools meet with a copy.
    """

    def __init__(self, readonly: Sequence[str], masked: Sequence[str], homes: Sequence[str] = ()) -> None:
        self._readonly = (*readonly, str(host.state_dir()), _RUNTIME_DIR)
        self._masked = masked
        self._homes = [os.path.realpath(home) for home in homes]
        self._steps: list[_Step] | None = None
        self._ruleset: int | None = None
        self.gaps: list[str] = []
        """What the layer cannot hold on this host; known after `prepare`."""

    def prepare(self) -> None:
        """Compute every step, in the parent; `GuardError` on a machine without a filter."""
        self.close()
        self._ruleset, self.gaps = landlock.domain()
        self.gaps += _inherited_directories()
        program = seccomp.program()
        self._steps = [*self._mounts(), *self._scopes()]
        self._steps.append(_Step("seccomp filter", lambda: syscalls.install_filter(program)))

    def enter(self) -> None:
        """Enter the layer, in the child; `GuardError` names the step that failed: nothing may run then."""
        if self._steps is None:
            raise GuardError("the static layer was not prepared")
        for step in self._steps:
            try:
                step.run()
            except OSError as error:
                raise GuardError(f"static layer, {step.name}: {error.strerror}") from error

    def close(self) -> None:
        """Free what `prepare` opened."""
        if self._ruleset is not None:
            os.close(self._ruleset)
            self._ruleset = None

    def _mounts(self) -> list[_Step]:
        readonly = _outermost(self._existing(self._readonly))
        held = self._holdable(_hidden_above(readonly, self._homes))
        # A parent bound after its child would hide the child's mount: from the root down.
        order = sorted({*held, *readonly}, key=lambda path: (len(PurePath(path).parts), path))
        bound = [_hold(path, readonly=path in readonly) for path in order]
        return [
            _Step("private mount namespace", lambda: syscalls.unshare(syscalls.CLONE_NEWNS)),
            _Step(
                "mount propagation", lambda: syscalls.mount("none", "/", syscalls.MS_REC | syscalls.MS_SLAVE)
            ),
            *bound,
            *(_mask(path) for path in self._existing(self._masked) if self._is_socket(path)),
        ]

    def _scopes(self) -> list[_Step]:
        ruleset = self._ruleset
        if ruleset is None:
            return []
        return [_Step("Landlock scopes", lambda: syscalls.landlock_restrict(ruleset))]

    def _existing(self, paths: Iterable[str]) -> list[str]:
        present = [path for path in dict.fromkeys(paths) if os.path.exists(path)]  # noqa: PTH110 strings throughout
        self.gaps += [
            f"{path} is a symbolic link: what it names is held, the link itself can be replaced"
            for path in present
            if os.path.islink(path)  # noqa: PTH114
        ]
        return list(dict.fromkeys(os.path.realpath(path) for path in present))

    def _holdable(self, directories: Sequence[str]) -> list[str]:
        free = [path for path in directories if _is_linked_from(path, self._homes)]
        self.gaps += [f"{path} can be renamed away, with the places below it" for path in free]
        return [path for path in directories if path not in free]

    def _is_socket(self, path: str) -> bool:
        if stat.S_ISSOCK(os.stat(path).st_mode):  # noqa: PTH116
            return True
        self.gaps.append(f"{path} is no socket and was not masked")
        return False


def _hold(path: str, *, readonly: bool) -> _Step:
    def bind() -> None:
        # Recursive, so that file systems mounted below stay visible.
        syscalls.mount(path, path, syscalls.MS_BIND | syscalls.MS_REC)
        if readonly:
            syscalls.make_readonly(path)

    return _Step(f"read-only {path}" if readonly else f"hold {path}", bind)


def _mask(path: str) -> _Step:
    return _Step(f"mask {path}", lambda: syscalls.mount(_DEAD_SOCKET, path, syscalls.MS_BIND))


def _outermost(paths: Sequence[str]) -> list[str]:
    return [path for path in paths if not _covered(path, paths)]


def _covered(path: str, directories: Sequence[str]) -> bool:
    return any(path.startswith(f"{directory}/") for directory in directories)


def _hidden_above(places: Sequence[str], homes: Sequence[str]) -> list[str]:
    """Find every directory above a place that lies in a hidden directory of a home, or is one."""
    parents = (str(parent) for place in places for parent in PurePath(place).parents)
    hidden = tuple(f"{home}/." for home in homes)
    return [parent for parent in dict.fromkeys(parents) if parent.startswith(hidden)]


def _is_linked_from(path: str, homes: Sequence[str]) -> bool:
    stores = [f"{home}/{store}" for home in homes for store in _STORES]
    return path in stores or _covered(path, stores)


def _inherited_directories() -> list[str]:
    """Through a directory descriptor of the old mount namespace, places are as writable as ever."""
    numbers = (int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    return [
        f"the command inherits descriptor {number}, a directory: paths relative to it are not read-only"
        for number in sorted(numbers)
        if _is_inherited_directory(number)
    ]


def _is_inherited_directory(number: int) -> bool:
    try:
        return os.get_inheritable(number) and stat.S_ISDIR(os.fstat(number).st_mode)
    except OSError:  # the descriptor that listed the others is gone by now
        return False
