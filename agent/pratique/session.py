"""One guarded run from policy to report: the only place where policy, backend and run meet."""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from pratique import host, managers, nested, settling
from pratique.backends import choice
from pratique.backends.base import Backend, Command, Ended, Host
from pratique.backends.memory import remembered
from pratique.errors import GuardError
from pratique.managers.base import Pattern
from pratique.model import Installed
from pratique.policy import cache, sources
from pratique.policy.model import Policy
from pratique.runs.run import Given, Run

POLL_SECONDS = 0.1
GRACE_SECONDS = 2.0

# Ctrl-C and friends reach the command through the terminal; the guard must outlive it to report. Stopping the
# guard would leave openers of marked files waiting, so Ctrl-Z does not stop it either.
_LEFT_TO_THE_COMMAND = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Request(NamedTuple):
    """What the user asked `pratique run` for."""

    argv: list[str]
    cwd: str
    environment: dict[str, str]
    profile: str | None = None
    mode: str = "enforce"
    backend: str = "auto"
    policy: str | None = None
    record: bool = False
    """Keep every event for a trace."""


class Outcome(NamedTuple):
    """A run that ended, ready to be reported."""

    run: Run
    backend: Backend
    ended: Ended
    guard_lost: str | None
    """Why the guard was lost in mid-run (the tree is dead then), or None."""
    gaps: list[str]
    """What this run could not cover, one line each."""
    closing: threading.Thread
    """Takes the guard down meanwhile; to be joined before the end."""
    installed: Sequence[Installed] = ()
    """What the managers of the run left on the disk."""


def guarded(request: Request, meanwhile: Callable[[], None]) -> Outcome:
    """Run the command under guard until its last child is gone; `GuardError` if nothing was started.

    `meanwhile` is done in a thread while the command runs.
    """
    started = time.monotonic()
    machine = Host(
        homes=host.homes(request.environment),
        project=host.project_root(request.cwd),
        patterns=_patterns(),
        resolvers=host.resolvers(),
    )
    policy = policy_of(request, machine.project)
    backend, chosen = choice.choose(request.backend, machine)
    run = Run(
        policy,
        request.argv,
        request.cwd,
        request.environment,
        backend.name,
        managers.registry(),
        Given(record=request.record),
    )
    watch = _Watch(request, policy, backend, run, meanwhile)
    try:
        backend.start(policy, run.number)
        ended, lost = watch.ended_and_lost(started)
    except BaseException:
        backend.close()
        raise
    found = _installed(run)
    closing = threading.Thread(target=backend.close, name="pratique-close")
    closing.start()
    return Outcome(run, backend, ended, lost, [*chosen, *backend.gaps()], closing, found)


def _installed(run: Run) -> Sequence[Installed]:
    """Asked while the guard can still say which records package code wrote; hostile ones may cost the list only."""
    commands = run.manager_commands()
    if not commands:
        return ()
    from pratique.daemon import installed  # noqa: PLC0415 -- after the command, and most commands are no installs

    installs = [installed.Install(argv, cwd, run.environment, run.began) for argv, cwd in commands]
    try:
        return installed.listed(
            tree for install in installs for tree in installed.found(install, run.written_by_package)
        )
    except (OSError, ValueError, RecursionError):
        return ()


def _patterns() -> tuple[Pattern, ...]:
    """How managers are recognised; parsed once per boot, for their data files are long."""
    rows = remembered("patterns", lambda: [pattern._asdict() for pattern in managers.patterns()])
    found = tuple(_pattern(row) for row in rows)
    managers.know(found)
    return found


def _pattern(row: dict[str, Any]) -> Pattern:
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in row.items()
    }
    return Pattern(**fields)


class _Watch:
    """The loop that carries events from the backend to the run, and settlements back."""

    def __init__(
        self,
        request: Request,
        policy: Policy,
        backend: Backend,
        run: Run,
        meanwhile: Callable[[], None],
    ) -> None:
        self._policy = policy
        self._backend = backend
        self._run = run
        self._meanwhile = meanwhile
        self._command = Command(request.argv, request.cwd, {**request.environment, nested.MARK: run.id})

    def ended_and_lost(self, started: float) -> tuple[Ended, str | None]:
        self._run.written_by_package = self._backend.written_by_package
        signals = Signals()
        try:
            pid = self._backend.spawn(self._command)
            signals.go_to(pid)
            self._run.started(pid, setup_seconds=time.monotonic() - started)
            threading.Thread(target=self._meanwhile, name="pratique-meanwhile", daemon=True).start()
            lost = self._until(self._ended) or self._until(self._alone, GRACE_SECONDS)
            self._run.survivors(self._backend.survivors())
            lost = lost or self._finish()
        finally:
            signals.restore()
        ended = self._ended() or Ended(None, signal.SIGKILL)
        self._run.ended(ended.exit_status, ended.signal, self._backend.losses().total, self._backend.counts())
        return ended, lost

    def _until(self, done: Callable[[], object], seconds: float = float("inf")) -> str | None:
        """Carry events until `done()`; what was lost if the guard broke, which has already ended the tree."""
        deadline = time.monotonic() + seconds
        try:
            while not done() and time.monotonic() < deadline:
                self._carry(POLL_SECONDS)
        except GuardError as error:
            return str(error)
        return None

    def _carry(self, timeout: float) -> None:
        for event in self._backend.events(timeout):
            self._run.add(event)
            if event.is_asking:
                settling.settle(event, self._policy, self._backend, self._run)

    def _finish(self) -> str | None:
        try:
            self._backend.finish()
            self._carry(0)
        except GuardError as error:
            return str(error)
        return None

    def _ended(self) -> Ended | None:
        return self._backend.ended()

    def _alone(self) -> bool:
        return not self._backend.survivors()


def policy_of(request: Request, project: str) -> Policy:
    """The policy in force for what the user asked."""
    return cache.load(
        sources.Request(
            home=request.environment.get("HOME") or "/nonexistent",
            project=project,
            profile=request.profile,
            mode=request.mode,
            files=(request.policy,) if request.policy else (),
        )
    )


class Signals:
    """Terminal signals are left to the command, the others are passed on to it, until `restore`.

    Handlers and not SIG_IGN: exec resets handlers, so the command starts with what it would have had.
    """

    def __init__(self) -> None:
        self._command: int | None = None
        self._early: list[int] = []
        self._held = {number: signal.signal(number, _leave) for number in _LEFT_TO_THE_COMMAND}
        self._held |= {number: signal.signal(number, self._forward) for number in _FORWARDED}

    def go_to(self, pid: int) -> None:
        """From now on the command is there to be signalled; a pid could be another process by then."""
        self._command = os.pidfd_open(pid)
        for number in self._early:
            self._forward(number, None)

    def restore(self) -> None:
        """Have every signal handled as before."""
        for number, handler in self._held.items():
            signal.signal(number, handler)
        if self._command is not None:
            os.close(self._command)

    def _forward(self, number: int, _frame: object) -> None:
        if self._command is None:
            self._early.append(number)
            return
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._command, number)


def _leave(_number: int, _frame: object) -> None:
    """The terminal has sent it to the command as well."""
