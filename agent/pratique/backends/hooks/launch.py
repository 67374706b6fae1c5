"""Start of the guarded command: labelled first, then behind the static layer, then exec as a shell would.

The caller's signal handlers and mask do not reach the command; signals ignored when Pratique was
started (nohup) stay ignored. A caller that ignores a signal itself must use a handler, not SIG_IGN.
"""

import contextlib
import errno
import os
import select
import signal
import time
from collections.abc import Callable
from typing import NoReturn, Protocol

from pratique import proc
from pratique.backends import syscalls
from pratique.backends.base import Command
from pratique.errors import GuardError

NOT_FOUND = 127
NOT_EXECUTABLE = 126
_NO_GUARD = 125
_START_LIMIT = 20.0
_END_LIMIT = 5.0
_POLL = 0.02
_STDERR = 2


class Layer(Protocol):
    """What the child enters before exec."""

    def enter(self) -> None:
        """Enter, or raise: then nothing is executed."""


class Child:
    """The started command."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.exec_error: str | None = None
        """Why the command could not be executed; its status is 126 or 127 then. None: it runs."""

    def ended(self) -> bool:
        """Tell, without waiting and before `wait`, whether it has ended."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(0))

    def kill(self) -> None:
        """End it at once, before `wait`; harmless when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def wait(self) -> tuple[int, int | None]:
        """Wait for its end: (status, None), or (128 + n, n) when signal n killed it. Once only."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        code = os.waitstatus_to_exitcode(status)
        return (code, None) if code >= 0 else (128 - code, -code)


def spawn(command: Command, layer: Layer, before_exec: Callable[[int], None]) -> Child:
    """Start `command` behind `layer`; `before_exec(pid)` labels it while it waits.

    `GuardError` when it could not be guarded: no part of the command ran then. Call it from the main thread:
    the command dies with the thread that started it.
    """
    candidates = _candidates(command)
    go, release = os.pipe()
    report, told = os.pipe()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    parent = os.getpid()
    try:
        pid = os.fork()
        if pid == 0:
            os.close(release)
            _become(command, candidates, layer, parent, go, told)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(go)
        os.close(told)
    child = Child(pid)
    try:
        return _release(child, before_exec, release, report)
    except BaseException:
        child.kill()
        child.wait()
        raise


def end(pids: Callable[[], list[int]], grace: float = 2.0, limit: float = _END_LIMIT) -> list[int]:
    """Let survivors go by themselves for `grace` seconds, then kill until none is left.

    Returns those that were killed; `GuardError` when some outlive `limit` seconds of that.
    """
    if not _gone_within(pids, grace, lambda _: None):
        return []
    killed: dict[int, None] = {}

    def kill(alive: list[int]) -> None:
        killed.update(dict.fromkeys(pid for pid in alive if kill_one(pid, pids)))

    if left := _gone_within(pids, limit, kill):
        raise GuardError(f"processes outlived SIGKILL: {' '.join(map(str, left))}")
    return list(killed)


def _gone_within(
    pids: Callable[[], list[int]], seconds: float, each: Callable[[list[int]], None]
) -> list[int]:
    """Poll until no process is left or time is up, doing `each` to those alive; who is left."""
    deadline = time.monotonic() + seconds
    while alive := pids():
        each(alive)
        if time.monotonic() >= deadline:
            break
        time.sleep(_POLL)
    return alive


def kill_one(pid: int, pids: Callable[[], list[int]]) -> bool:
    """Kill a process if it is still among those listed."""
    try:
        pidfd = proc.held(pid)
    except ProcessLookupError:
        return False
    try:
        # Listed while its descriptor is held: it is the process meant, not a later one with its number.
        if pid not in pids():
            return False
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True


def _release(child: Child, before_exec: Callable[[int], None], release: int, report: int) -> Child:
    try:
        before_exec(child.pid)
        os.write(release, b"g")
        code, text = _read_report(report)
    except BrokenPipeError:
        raise GuardError("the command died before it was started") from None
    finally:
        os.close(release)
        os.close(report)
    if code == _NO_GUARD:
        raise GuardError(text, "nothing was started; `pratique doctor` says what this host can do")
    child.exec_error = text or None
    return child


def _read_report(report: int) -> tuple[int, str]:
    """Read what the child says of its start: nothing, once exec has closed the pipe."""
    said = b""
    deadline = time.monotonic() + _START_LIMIT
    poll = select.poll()
    poll.register(report, select.POLLIN)
    while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        chunk = os.read(report, 4096)
        if not chunk:
            code, _, text = said.decode(errors="replace").partition(" ")
            return int(code or 0), text
        said += chunk
    raise GuardError(f"the command did not start within {_START_LIMIT:.0f} s")


def _become(
    command: Command, candidates: list[str], layer: Layer, parent: int, go: int, told: int
) -> NoReturn:
    """Live the child's life up to exec; it ends here whatever happens."""
    code, text = _NO_GUARD, "the command was not released"
    try:
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent and os.read(go, 1):
            layer.enter()
            # After the layer: a working directory entered before it would reach below the new mounts.
            os.chdir(command.cwd)
            _restore_signals()
            code, text = _execute(command, candidates)
            os.write(_STDERR, f"pratique: {text}\n".encode(errors="replace"))
    except BaseException as error:  # noqa: BLE001 any failure must stop the exec and reach the parent
        text = str(error)
    finally:
        # Whatever happens to the message: a second copy of the agent must never go on from here.
        try:
            os.write(told, f"{code} {text}".encode(errors="replace"))
        finally:
            os._exit(code)


def _restore_signals() -> None:
    """Undo what Python and our caller changed: exec would clear handlers, but not what Python ignores."""
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _candidates(command: Command) -> list[str]:
    name = command.argv[0]
    if "/" in name:
        return [name]
    path = command.environment.get("PATH", os.defpath)
    return [f"{folder or '.'}/{name}" for folder in path.split(":")] if name else []


def _execute(command: Command, candidates: list[str]) -> tuple[int, str]:
    """Try each candidate; only failure returns: a shell's exit status and one line for people."""
    name = "".join(letter if letter.isprintable() else "?" for letter in command.argv[0])
    failure = (NOT_FOUND, f"{name}: command not found")
    # To try a name costs a question to the guard, and most folders of a PATH do not have it.
    for path in filter(os.path.lexists, candidates) if len(candidates) > 1 else candidates:
        try:
            _exec(path, command)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            failure = (NOT_EXECUTABLE, f"{name}: cannot execute: {error.strerror}")
    return failure


def _exec(path: str, command: Command) -> NoReturn:
    try:
        os.execve(path, list(command.argv), command.environment)  # noqa: S606 it is the command
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    # A script without `#!`: every shell runs it with sh.
    os.execve("/bin/sh", ["sh", path, *command.argv[1:]], command.environment)  # noqa: S606
