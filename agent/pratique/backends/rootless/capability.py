"""What this host lets a process without privilege do: found by doing it in a child."""

import errno
import os
import select
import signal
from collections.abc import Callable
from typing import NamedTuple

from pratique.backends import seccomp, syscalls
from pratique.backends.base import Support
from pratique.backends.memory import remembered
from pratique.backends.rootless import spaces, tracing
from pratique.errors import PratiqueError

_SECONDS = 10
_MEND = "`pratique doctor` says what this host can do"


class Ability(NamedTuple):
    """What worked in a child."""

    landlock: int
    listener: str = ""
    """Why there is no listener; empty: there is."""
    sockets: str = ""
    """Why a child's sockets cannot be copied, and must be made here; empty: they can."""
    tracer: str = ""
    """Why a child cannot be traced; empty: it can."""


TIER = "PRATIQUE_ROOTLESS_TIER"
"""An environment variable that asks for tier 1, or forces a weaker one, for tests (docs/rootless.md)."""
ENCLOSED, LANDLOCK, EMULATED, TRACED = 1, 2, 3, 4


def tier() -> int:
    """2 where Landlock works, else 3; 4 where another listens already.

    Or the one that was asked for: tier 1 where it can be had (`unenclosed` says why not), a weaker one anyway.
    """
    asked = os.environ.get(TIER, "")
    if asked == str(TRACED) or remembered("listener", lambda: _in_child(_listener), _always):
        return TRACED
    if asked == str(EMULATED) or not syscalls.landlock_abi():
        return EMULATED
    return LANDLOCK if asked != str(ENCLOSED) or unenclosed() else ENCLOSED


def unenclosed() -> str:
    """Why a run cannot have namespaces of its own here; empty: it can."""
    if not copies():
        return "the listener could not be copied out of them"
    why: str = remembered("namespaces", lambda: _in_child(_namespaces), lambda why: not why)
    return why


def _always(_: str) -> bool:
    return True


def capability() -> Support:
    """Whether a tree can be supervised here; never raises."""
    try:
        found = ability()
    except (OSError, PratiqueError, ValueError) as error:
        return Support(ok=False, why=f"it could not be tried ({error})", mend=_MEND)
    if found.listener and found.tracer:
        return Support(ok=False, why=f"{found.listener}; {found.tracer}", mend=_MEND)
    return Support(ok=True)


def copies() -> bool:
    """Whether sockets of the command can be copied; asked once per boot, and in each container anew."""
    return not remembered("sockets", lambda: _in_child(_sockets), _always)


def ability() -> Ability:
    """Try each part in a child that leaves nothing behind."""
    landlock = int(_in_child(lambda: str(_landlock())) or 0)
    return Ability(landlock, _in_child(_listener), _in_child(_sockets), _in_child(_tracer))


def _landlock() -> int:
    abi = syscalls.landlock_abi()
    if not abi:
        return 0
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    ruleset = syscalls.landlock_ruleset(1 << 2)
    syscalls.landlock_restrict(ruleset)
    try:
        with open("/proc/self/status", "rb"):  # noqa: PTH123
            return 0
    except PermissionError:
        return abi


def _listener() -> str:
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    try:
        os.close(syscalls.install_listener(seccomp.listening()))
    except OSError as error:
        if error.errno == errno.EBUSY:
            return "another supervisor listens to this process already (a guarded run, or a sandbox)"
        return f"no listener for system calls: {error.strerror}"
    return ""


def _sockets() -> str:
    pid = os.fork()
    if pid == 0:
        signal.alarm(_SECONDS)
        signal.pause()
        os._exit(0)
    try:
        os.close(syscalls.pidfd_getfd(os.pidfd_open(pid), 1))
    except OSError as error:
        return f"sockets of the command cannot be copied here (pidfd_getfd: {error.strerror})"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return ""


def _namespaces() -> str:
    try:
        spaces.leave()
        _as_first(spaces.furnish)
    except OSError as error:
        return f"namespaces: {error.strerror}"
    return ""


def _as_first(trial: Callable[[], None]) -> None:
    """Try something as the first process of a namespace; its `OSError` is raised here."""
    pid = os.fork()
    if pid == 0:
        error = 0
        try:
            trial()
        except OSError as problem:
            error = problem.errno or errno.EPERM
        finally:
            os._exit(error)
    if error := os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise OSError(error, os.strerror(error))


def _tracer() -> str:
    if os.uname().machine != tracing.MACHINE:
        return f"nothing is traced on {os.uname().machine}"
    pid = os.fork()
    if pid == 0:
        signal.alarm(_SECONDS)
        signal.pause()
        os._exit(0)
    try:
        tracing.Tracer().seize(pid)
    except PratiqueError as error:
        return str(error)
    finally:
        os.kill(pid, signal.SIGKILL)
    return _no_filter()


def _no_filter() -> str:
    """What is traced are the calls that a filter picks; last, for nobody traces this process."""
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    try:
        syscalls.install_filter(seccomp.traced(seccomp.listening()))
    except OSError as error:
        return f"no filter for system calls: {error.strerror}"
    return ""


def _in_child(trial: Callable[[], str]) -> str:
    """What the trial says, in a process of its own; what breaks it is said too."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        text = "the child that tried it broke"
        try:
            text = trial()
        except BaseException as error:  # noqa: BLE001
            text = f"{type(error).__name__}: {error}"
        finally:
            os.write(writing, text.encode(errors="replace")[:4096])
            os._exit(0)
    os.close(writing)
    try:
        if not select.select([reading], [], [], _SECONDS)[0]:
            os.kill(pid, signal.SIGKILL)
        return os.read(reading, 4096).decode(errors="replace")
    finally:
        os.close(reading)
        os.waitpid(pid, 0)
