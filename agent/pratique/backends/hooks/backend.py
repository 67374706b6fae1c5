"""The `hooks` backend put together: kernel programs, file marks, guardian and static layer behind one interface."""

import contextlib
import errno
import os
import select
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pratique.backends import numbers
from pratique.backends.base import Command, Ended, Host, Losses, Support
from pratique.backends.hooks import endpoints, environment, launch, translate
from pratique.backends.hooks.allowances import Allowances
from pratique.backends.hooks.authors import Author, Authors
from pratique.backends.hooks.capability import capability
from pratique.backends.hooks.files import Appeared, FileGuard
from pratique.backends.hooks.guardian import Guardian
from pratique.backends.hooks.judge import Judge, effective
from pratique.backends.hooks.probes import Probes
from pratique.backends.hooks.sharers import Sharers
from pratique.backends.hooks.static import Bare, RecordingLayer, StaticLayer
from pratique.backends.pins import Pins
from pratique.errors import GuardError
from pratique.model import Coverage, Event, Kind, Settlement
from pratique.policy.lower import FilePlan, file_plan, lower
from pratique.policy.model import Allow, Policy
from pratique.policy.places import Place
from pratique.words import Act, Action, Actor, Level, Stage

_MOST_SOCKETS = 64
"""That a directory of sockets is listed for."""
SHARED_MEMORY = "/dev/shm"  # noqa: S108 (guarded, not used)
"""Where files have no disk behind them."""
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108


class HooksBackend:
    """Root without BPF LSM: see `backends.base.Backend` for the life of a backend."""

    name = "hooks"

    def __init__(self, host: Host) -> None:
        self._host = host
        self._run = 0
        self._opened: list[Callable[[], None]] = []
        """What `close` undoes, last first."""
        self._child: launch.Child | None = None
        self._ended: Ended | None = None
        self._gaps: list[str] = []
        self._unblocked: list[str] = []
        self._masked: frozenset[str] = frozenset()
        self._pins: Pins | None = None

    def supported(self) -> Support:
        """Whether a child that connects is really refused here."""
        return capability()

    def start(self, policy: Policy, run: int) -> None:
        """Load and attach, mark, and fork the guardian before any thread exists."""
        self._run = run
        try:
            self._start(policy)
        except BaseException:
            self.close()
            raise

    def _start(self, policy: Policy) -> None:
        self._plan = lower(policy)
        self._files = file_plan(policy, self._host.homes, self._host.project)
        self._probes = Probes(self._plan, self._run, self._host.patterns, pins=self._pins)
        self._opened.append(self._probes.close)
        self._attach()
        self._name_objects(self._files)
        self._block_names(policy)
        self._authors = Authors(self._probes.label_of, self._run)
        self._sharers = Sharers(self.survivors, self._probes.label_of, end)
        self._judge = Judge(
            policy, self._run, self._probes.label_of, self._taint, self._host.homes, self._host.project
        )
        self._guard = FileGuard(
            self._files.read,
            self._files.create,
            self._files.exec,
            self._judge.allows,
            self._judge.labelled,
            dict.fromkeys(temporary(), "code.hidden-temp"),
        )
        self._opened.append(self._guard.stop)
        fds = self._probes.fds()
        keep = [fd for name, fd in fds.items() if name not in ("labels", "begun")]
        self._guardian = Guardian(self._guard.fd, fds["labels"], self._run, keep, begun=fds["begun"])
        self._guardian.start()
        self._opened.append(self._guardian.release)
        self._probes.also_held = self._guardian.hold
        self._guard.start()
        self._wait = select.epoll()
        self._opened.append(self._wait.close)
        for fd in (self._probes.epoll_fd, self._guard.notice_fd, self._guardian.fd):
            self._wait.register(fd, select.EPOLLIN)

    def _attach(self) -> None:
        self._probes.load()
        self._probes.attach()

    def _taint(self, run: int, origin: int) -> None:
        self._probes.taint(origin, run)

    def _name_objects(self, files: FilePlan) -> None:
        """Give the kernel the keys of what it decides by inode; what does not exist has none."""
        self._probes.add_exec_dir(SHARED_MEMORY, "code.shm")
        for folder in temporary():
            self._probes.add_exec_dir(folder, "code.hidden-temp")
        for address in self._host.resolvers:
            self._probes.add_resolver(address)
        for path, group in _sockets(files.ipc):
            self._probes.add_ipc_key(path, group)
        self._probes.guard_writes(files.write)
        self._allowances = Allowances(
            self._probes, files, self._host.homes, self._host.project, [SHARED_MEMORY, *temporary()]
        )

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

    def _guard_gaps(self) -> Sequence[str]:
        return self._guard.gaps

    def _layer(self) -> StaticLayer | RecordingLayer | Bare:
        policy = self._judge.policy
        answer = policy.decide(Stage.BUILD, Actor.PACKAGE, Act.KERNEL_BPF, ())
        if policy.mode == "audit" or answer.action < Action.DENY:
            return RecordingLayer()
        layer = StaticLayer(self._files.readonly, self._files.masked, self._host.homes)
        layer.prepare()
        self._masked = frozenset(map(os.path.realpath, self._files.masked))
        return layer

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

    def label(self, pid: int, settlement: Settlement) -> None:
        """Label a live process as what the settlement says, origin 1."""
        self._probes.set_label(pid, settlement.actor, settlement.stage, 1)

    def events(self, timeout: float) -> Iterable[Event]:
        """What the kernel programs, the file guard and the notices tell."""
        self._guardian.beat()
        self._wait.poll(timeout)
        if not self._guardian.alive():
            self.finish()
            raise GuardError("the guardian died in mid-run; the guarded tree was ended")
        yield from self._reports()
        self._guard.sweep()
        for appeared in self._guard.appeared():
            yield from self._too_late(appeared)
        yield from self._judge.drain()

    def _reports(self) -> Iterable[Event]:
        for record in self._probes.read(0):
            for pid in translate.unlabelled_children(record):
                end(pid)
            self._authors.note(record)
            self._sharers.note(record)
            event = translate.event(record, self._plan)
            if event is not None:
                yield self._sharers.judged(self._unmasked(event))

    def _unmasked(self, event: Event) -> Event:
        """A masked socket answers like one that nobody listens on: say that we refused."""
        if event.act is not Act.IPC_CONNECT or event.target.get("errno") != errno.ECONNREFUSED:
            return event
        if os.path.realpath(str(event.target.get("path"))) not in self._masked:
            return event
        return event._replace(action=Action.DENY, level=Level.ENFORCED)

    def _too_late(self, appeared: Appeared) -> Iterable[Event]:
        """A missing place was filled by rename, link or mkdir, which no open announces: end the author."""
        author = self._authors.of(appeared.pid)
        if author is None:
            return
        policy = self._judge.policy
        decision = policy.decide(author.stage, author.actor, Act.FILE_RENAME, (appeared.group,))
        granted = self._judge.granted(author.origin, Act.FILE_RENAME, appeared.path)
        if decision.action is Action.ALLOW or (granted and not decision.locked):
            return
        action, would = effective(max(decision.action, Action.KILL), policy.mode)
        if action is Action.KILL:
            self._end_labelled(appeared.pid)
        yield Event(
            time=time.time(),
            kind=Kind.ACT,
            pid=appeared.pid,
            ppid=0,
            run=author.run,
            origin=author.origin,
            stage=author.stage,
            actor=author.actor,
            act=Act.FILE_RENAME,
            action=action,
            would=would,
            rule=decision.rule,
            groups=(appeared.group,),
            level=Level.KILLED_AFTER if action is Action.KILL else None,
            target={"path": appeared.path},
        )

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

    def grant(self, origin: int, allows: Sequence[Allow]) -> None:
        """Give the tree of `origin` these allows."""
        self._judge.grant(origin, allows)
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

    def _in_force(self) -> Policy:
        return self._judge.policy

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

    def update(self, policy: Policy) -> None:
        """Switch decisions over to another policy in one step per part; running acts see the old or the new."""
        self._plan = lower(policy)
        self._probes.replace(self._plan)
        self._judge.policy = policy
        self._files = file_plan(policy, self._host.homes, self._host.project)
        self._block_names(policy)
        self._probes.guard_writes(self._files.write)
        self._allowances.files = self._files
        self._guard.update(self._files.read, self._files.create, self._files.exec)

    def losses(self) -> Losses:
        """The kernel's own losses and file events nobody judged."""
        lost = self._probes.losses()
        return Losses(lost.ring + self._guard.lost, lost.labels, lost.reads)

    def counts(self) -> dict[str, int]:
        """Totals per run."""
        return self._probes.counts()

    def gaps(self) -> list[str]:
        """What this run could not cover, one line each."""
        return [*self._gaps, *self._unblocked]

    def coverage(self) -> list[Coverage]:
        """Rows proved by refusals in a child."""
        from pratique.backends import coverage  # noqa: PLC0415 (a run does not prove again)

        return coverage.prove(HooksBackend)

    def close(self) -> None:
        """End what still runs, then undo everything `start` did, last first."""
        if self._child is not None and self._opened:
            with contextlib.suppress(GuardError):
                self.finish()
        while self._opened:
            self._opened.pop()()


def _sockets(places: Iterable[Place]) -> Iterable[tuple[str, str]]:
    """The places' sockets, those directly in a directory too, and where the caller says its key agent is."""
    for place in places:
        if place.is_dir:
            with contextlib.suppress(OSError), os.scandir(place.path) as entries:
                found = zip(entries, range(_MOST_SOCKETS), strict=False)
                yield from ((entry.path, place.group) for entry, _ in found)
        elif place.exists:
            yield place.path, place.group
    if agent := os.environ.get("SSH_AUTH_SOCK"):
        yield agent, "ipc.agents"


def temporary() -> list[str]:
    """The directories for temporary files, existing ones once."""
    named = os.path.realpath(os.environ.get("TMPDIR") or _TEMPORARY[0])
    return [folder for folder in dict.fromkeys((*_TEMPORARY, named)) if Path(folder).is_dir()]


def end(pid: int) -> None:
    """End a process at once; harmless when it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
