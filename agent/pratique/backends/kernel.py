"""What the backends of root share: kernel programs that label, recognise and refuse by address; the labelled command.

How files, programs and peers are answered is each one's own.
"""

import contextlib
import os
import select
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pratique.backends import numbers
from pratique.backends.base import Command, Ended, Host, Losses
from pratique.backends.hooks import endpoints, environment, launch, translate
from pratique.backends.hooks.allowances import Allowances
from pratique.backends.hooks.authors import Author, Authors
from pratique.backends.hooks.plan import Plan
from pratique.backends.hooks.probes import Probes
from pratique.backends.hooks.records import Record
from pratique.backends.hooks.sharers import Sharers
from pratique.backends.hooks.static import Bare, RecordingLayer, StaticLayer
from pratique.backends.pins import Pins
from pratique.errors import GuardError
from pratique.model import Event, Settlement
from pratique.policy.lower import FilePlan
from pratique.policy.model import Allow, Policy
from pratique.words import Actor, Stage

SHARED_MEMORY = "/dev/shm"  # noqa: S108 (guarded, not used)
"""Where files have no disk behind them."""
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108


class KernelBackend(ABC):
    """Labels, settlement and the life of a run: see `backends.base.Backend`."""

    _probes: Probes
    _plan: Plan
    _files: FilePlan
    _authors: Authors
    _sharers: Sharers
    _allowances: Allowances
    _wait: "select.epoll"

    def __init__(self, host: Host) -> None:
        self._host = host
        self._run = 0
        self._opened: list[Callable[[], None]] = []
        """What `close` undoes, last first."""
        self._child: launch.Child | None = None
        self._ended: Ended | None = None
        self._gaps: list[str] = []
        self._unblocked: list[str] = []
        self._pins: Pins | None = None

    @abstractmethod
    def _start(self, policy: Policy) -> None:
        """Put every part in force; what must be undone goes to `_opened`."""

    @abstractmethod
    def _layer(self) -> StaticLayer | RecordingLayer | Bare:
        """What the command is started behind."""

    @abstractmethod
    def _in_force(self) -> Policy:
        """By what acts are judged now."""

    def _guard_gaps(self) -> Sequence[str]:
        """What is not covered before anything has started."""
        return ()

    def start(self, policy: Policy, run: int) -> None:
        """Load and attach, mark, and fork the guardian before any thread exists."""
        self._run = run
        try:
            self._start(policy)
        except BaseException:
            self.close()
            raise

    def _attached(self) -> None:  # noqa: B027 (most have nothing to do then)
        """The kernel programs are in force, or those of an earlier agent are."""

    def _follow_labels(self) -> None:
        self._authors = Authors(self._probes.label_of, self._run)
        self._sharers = Sharers(self.survivors, self._probes.label_of, end)

    def _wait_for(self, fds: Iterable[int]) -> None:
        self._wait = select.epoll()
        self._opened.append(self._wait.close)
        for fd in fds:
            self._wait.register(fd, select.EPOLLIN)

    def _name_hidden(self) -> Sequence[str]:
        """Tell the kernel where executables are minded, and which resolvers count."""
        self._probes.add_exec_dir(SHARED_MEMORY, "code.shm")
        for folder in temporary():
            self._probes.add_exec_dir(folder, "code.hidden-temp")
        for address in self._host.resolvers:
            self._probes.add_resolver(address)
        return [SHARED_MEMORY, *temporary()]

    def _block_names(self, policy: Policy) -> None:
        hosts = [block.host for block in policy.blocks if block.host]
        self._unblocked = [
            f"the block of {pattern!r} is not in force: the kernel cannot look up this name"
            for pattern in self._probes.block_names(hosts)
        ]

    def spawn(self, command: Command) -> int:
        """Start the command labelled, behind the static layer."""
        layer = self._layer()
        self._gaps = [*self._guard_gaps(), *layer.gaps]
        try:
            self._child = launch.spawn(command, layer, self._label_command)
        finally:
            layer.close()
        self._wait.register(self._child.pidfd, select.EPOLLIN)
        return self._child.pid

    def _label_command(self, pid: int) -> None:
        if not self._probes.set_label(pid, Actor.COMMAND, Stage.RESOLVE, 0):
            raise GuardError("the command could not be labelled", "the label map may be full")

    def ended(self) -> Ended | None:
        """How the command ended; it is reaped on the way."""
        child = self._child
        if self._ended is None and child is not None and child.ended():
            self._wait.unregister(child.pidfd)
            status, number = child.wait()
            self._ended = Ended(None if number else status, number, child.exec_error)
        return self._ended

    def label(self, pid: int, settlement: Settlement, allows: Sequence[Allow] = ()) -> None:
        """Label a live process as what the settlement says, origin 1."""
        if allows:
            self.grant(1, allows)
        self._probes.set_label(pid, settlement.actor, settlement.stage, 1)

    def events(self, timeout: float) -> Iterable[Event]:
        """What the kernel programs tell."""
        self._wait.poll(timeout)
        yield from self._reports()

    def _reports(self) -> Iterable[Event]:
        """What the kernel programs told, as events."""
        for record in self._probes.read(0):
            for pid in translate.unlabelled_children(record):
                end(pid)
            self._authors.note(record)
            self._sharers.note(record)
            self._noted(record)
            event = translate.event(record, self._plan)
            if event is not None:
                yield self._sharers.judged(self._seen(event))

    def _noted(self, record: Record) -> None:  # noqa: B027 (most ask for nothing)
        """What a record asks for at once, whatever becomes of it as an event."""

    def _seen(self, event: Event) -> Event:
        """As people should see it."""
        return event

    def _end_labelled(self, pid: int) -> None:
        label = self._probes.label_of(pid)
        if label is not None and numbers.belongs(label.run, self._run):
            end(pid)

    def settle(self, event: Event, settlement: Settlement, origin: int, allows: Sequence[Allow]) -> None:
        """Fix the label, then its allows, then let the process make its first step."""
        if origin:
            self.grant(origin, allows)
        self._probes.set_label(
            event.pid, settlement.actor, settlement.stage, origin, must_exist=True, run=event.run
        )
        self._authors.settled(event.pid, Author(event.run, origin, settlement.stage, settlement.actor))
        if settlement.actor is Actor.PACKAGE and not self._stripped(event.pid):
            self._end_labelled(event.pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(event.pid, signal.SIGCONT)

    def recognised(self, event: Event, actor: Actor) -> None:
        """What the manager is that this exec began. Should it execute again meanwhile, it is stopped and settled."""
        label = self._probes.label_of(event.pid)
        if label is None or label.run != event.run or label.actor is not Actor.MIXED:
            return
        self._probes.set_label(event.pid, actor, label.stage, label.origin, must_exist=True, run=event.run)
        self._authors.settled(event.pid, Author(event.run, label.origin, label.stage, actor))

    def grant(self, origin: int, allows: Sequence[Allow]) -> None:
        """Give the tree of `origin` these allows."""
        self._allow(origin, allows)

    def _allow(self, origin: int, allows: Sequence[Allow]) -> None:
        """Give the kernel the origin's allows."""
        self._allow_egress(origin, allows)
        self._gaps += self._allowances.grant(origin, allows)

    def _allow_egress(self, origin: int, allows: Sequence[Allow]) -> None:
        for address, port in endpoints.networks(allows):
            self._probes.allow_net(origin, address, port)
        for pattern, ports in endpoints.names(allows).items():
            if not self._probes.allow_name(origin, pattern, sorted(ports)):
                self._gaps.append(
                    f"the allow for {pattern!r} is not in force: the kernel cannot look up this name"
                )

    def _stripped(self, pid: int) -> bool:
        """Take what the policy keeps from package code out of its environment; False when it must not run."""
        policy = self._in_force()
        if not policy.env_strip or policy.mode == "audit":
            return True
        try:
            environment.strip(pid, policy.env_strip)
        except (OSError, ValueError) as error:
            if Path(f"/proc/{pid}").exists():
                self._gaps.append(f"a process was ended: its environment could not be stripped ({error})")
            return False
        return True

    def refuse(self, event: Event) -> None:
        """End the stopped process of a pending exec."""
        self._end_labelled(event.pid)

    def written_by_package(self, path: str) -> bool:
        """Whether package code of this run wrote the file."""
        return self._probes.was_written(path)

    def survivors(self) -> list[int]:
        """Labelled processes still alive."""
        return self._probes.labelled(self._run)

    def finish(self) -> None:
        """End every labelled process."""
        launch.end(self.survivors, grace=0)

    def losses(self) -> Losses:
        """The kernel's own losses."""
        return self._probes.losses()

    def counts(self) -> dict[str, int]:
        """Totals per run."""
        return self._probes.counts()

    def gaps(self) -> list[str]:
        """What this run could not cover, one line each."""
        return [*self._gaps, *self._unblocked]

    def close(self) -> None:
        """End what still runs, then undo everything `start` did, last first."""
        if self._child is not None and self._opened:
            with contextlib.suppress(GuardError):
                self.finish()
        while self._opened:
            self._opened.pop()()


def temporary() -> list[str]:
    """The directories for temporary files, existing ones once."""
    named = os.path.realpath(os.environ.get("TMPDIR") or _TEMPORARY[0])
    return [folder for folder in dict.fromkeys((*_TEMPORARY, named)) if Path(folder).is_dir()]


def end(pid: int) -> None:
    """End a process at once; harmless when it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
