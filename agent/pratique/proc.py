"""What /proc tells of a process: exact while it is stopped; of others, as long as they live and do not change it."""

import errno
import os

_LONGEST = 1 << 20
_STATE, _PARENT, _BEGAN = 0, 1, 19
"""Fields of `stat`, counted after the name."""


def read_words(pid: int, what: str, longest: int = _LONGEST) -> tuple[str, ...]:
    """The words of `cmdline` or `environ`; `OSError` when the process is gone or they are not to be read."""
    with open(f"/proc/{pid}/{what}", "rb") as file:  # noqa: PTH123 -- pathlib costs more than the read, and a process waits
        raw = file.read(longest)
    return tuple(os.fsdecode(word) for word in raw.removesuffix(b"\0").split(b"\0")) if raw else ()


def words_of(pid: int, what: str) -> tuple[str, ...]:
    """The same; none of a process that is gone."""
    try:
        return read_words(pid, what)
    except OSError:
        return ()


def read_environment(pid: int) -> dict[str, str]:
    """With what it was started; `OSError` when the process is gone or that is not to be read."""
    pairs = (word.partition("=") for word in read_words(pid, "environ"))
    return {name: value for name, equals, value in pairs if equals}


def environment_of(pid: int) -> dict[str, str]:
    """The same; nothing of a process that is gone."""
    try:
        return read_environment(pid)
    except OSError:
        return {}


def read_link(pid: int, name: str) -> str:
    """What its `cwd`, `exe` or `fd/3` names; `OSError` when the process is gone or that is not to be read."""
    return os.readlink(f"/proc/{pid}/{name}")  # noqa: PTH115 -- a Path would not be the text we want


def link_of(pid: int, name: str) -> str | None:
    """The same; None of a process that is gone."""
    try:
        return read_link(pid, name)
    except OSError:
        return None


def owner_of(pid: int) -> int | None:
    """Who runs it; None when it is gone."""
    try:
        return os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116 (as above)
    except OSError:
        return None


def state_of(pid: int) -> str:
    """The letter of its state, or of a thread's: `T` is stopped. Empty when it is gone."""
    return _field(pid, _STATE)


def pending(pid: int) -> int:
    """The signals that wait for the process as a whole, a bit each; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123 (as above)
            return int(file.read().partition(b"\nShdPnd:")[2].split(maxsplit=1)[0], 16)
    except (OSError, IndexError, ValueError):
        return 0


def parent_of(pid: int) -> int:
    """Its parent; 0 when it is gone."""
    return int(_field(pid, _PARENT) or 0)


def began(pid: int) -> str:
    """When it was started, in clock ticks: with it a number is that process and no later one. Empty when gone."""
    return _field(pid, _BEGAN)


def _field(pid: int, number: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 (as above)
            return file.read().rpartition(")")[2].split()[number]
    except (OSError, IndexError):
        return ""


def held(pid: int) -> int:
    """A descriptor of a process; `ProcessLookupError` for one that is gone.

    Reaped by somebody else while its number is still looked at, it is an invalid one to kernels before 6.15.
    """
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH)) from error
