"""The `hooks` backend put together: kernel programs, file marks, guardian and static layer behind one interface."""

import contextlib
import errno
import os
import time
from collections.abc import Iterable, Sequence

from pratique.backends.base import Host, Losses, Support
from pratique.backends.hooks.allowances import Allowances
from pratique.backends.hooks.capability import capability
from pratique.backends.hooks.files import Appeared, FileGuard
from pratique.backends.hooks.guardian import Guardian
from pratique.backends.hooks.judge import Judge, effective
from pratique.backends.hooks.probes import Probes
from pratique.backends.hooks.static import Bare, RecordingLayer, StaticLayer
from pratique.backends.kernel import KernelBackend, temporary
from pratique.errors import GuardError
from pratique.model import Coverage, Event, Kind
from pratique.policy.lower import FilePlan, file_plan, lower
from pratique.policy.model import Allow, Policy
from pratique.policy.places import Place
from pratique.words import Act, Action, Actor, Level, Stage

_MOST_SOCKETS = 64
"""That a directory of sockets is listed for."""


class HooksBackend(KernelBackend):
    """Root without BPF LSM: see `backends.base.Backend` for the life of a backend."""

    name = "hooks"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._masked: frozenset[str] = frozenset()

    def supported(self) -> Support:
        """Whether a child that connects is really refused here."""
        return capability()

    def _start(self, policy: Policy) -> None:
        self._plan = lower(policy)
        self._files = file_plan(policy, self._host.homes, self._host.project)
        self._probes = Probes(self._plan, self._run, self._host.patterns, pins=self._pins)
        self._opened.append(self._probes.close)
        self._probes.load()
        self._probes.attach()
        self._attached()
        self._name_objects(self._files)
        self._block_names(policy)
        self._follow_labels()
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
        self._wait_for((self._probes.epoll_fd, self._guard.notice_fd, self._guardian.fd))

    def _taint(self, run: int, origin: int) -> None:
        self._probes.taint(origin, run)

    def _name_objects(self, files: FilePlan) -> None:
        """Give the kernel the keys of what it decides by inode; what does not exist has none."""
        hidden = self._name_hidden()
        for path, group in _sockets(files.ipc):
            self._probes.add_ipc_key(path, group)
        self._probes.guard_writes(files.write)
        self._allowances = Allowances(self._probes, files, self._host.homes, self._host.project, hidden)

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

    def _seen(self, event: Event) -> Event:
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

    def grant(self, origin: int, allows: Sequence[Allow]) -> None:
        """Give the tree of `origin` these allows."""
        self._judge.grant(origin, allows)
        self._allow(origin, allows)

    def _in_force(self) -> Policy:
        return self._judge.policy

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
        lost = super().losses()
        return Losses(lost.ring + self._guard.lost, lost.labels, lost.reads)

    def coverage(self) -> list[Coverage]:
        """Rows proved by refusals in a child."""
        from pratique.backends import coverage  # noqa: PLC0415 (a run does not prove again)

        return coverage.prove(HooksBackend)


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
