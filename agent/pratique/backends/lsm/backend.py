"""The `lsm` backend put together: kernel programs that answer every act, their pins, and the labelled command."""

import select
from collections.abc import Iterable, Sequence

from pratique.backends.base import Host, Losses, Support
from pratique.backends.hooks.allowances import Allowances
from pratique.backends.hooks.authors import Authors
from pratique.backends.hooks.backend import SHARED_MEMORY, HooksBackend, end, temporary
from pratique.backends.hooks.sharers import Sharers
from pratique.backends.hooks.static import RecordingLayer
from pratique.backends.lsm import capability, pins
from pratique.backends.lsm.objects import Objects, entries
from pratique.backends.lsm.probes import Probes
from pratique.backends.memory import remembered
from pratique.errors import GuardError
from pratique.model import Coverage, Event, Kind
from pratique.policy.lower import FilePlan, file_plan, lower
from pratique.policy.model import Allow, Policy
from pratique.words import Act, Action, Actor, Stage


class _Mark(RecordingLayer):
    """Refuses nothing, and nothing is missed by that."""

    gaps = ()


class LsmBackend(HooksBackend):
    """Labels, recognition, settlement and network of `hooks`; files, programs and peers inside the kernel."""

    name = "lsm"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._lsm: Probes
        self._policy: Policy

    def supported(self) -> Support:
        """Whether a labelled child's open is really refused here, and its twin's is not."""
        return capability.capability()

    def _start(self, policy: Policy) -> None:
        pins.sweep()
        self._policy = policy
        self._plan = lower(policy, objects=True)
        self._files = file_plan(policy, self._host.homes, self._host.project)
        self._probes = self._lsm = Probes(_attachment(), self._plan, self._run, self._host.patterns)
        self._opened.append(self._lsm.close)
        self._lsm.load()
        self._lsm.confine(confine=_confines(policy))
        self._objects = Objects(self._lsm.table, self._lsm.keys.of, self._number)
        self._gaps = self._fill(self._files)
        self._lsm.attach()
        folder = pins.folder()
        self._opened.append(lambda: pins.remove(folder))
        self._lsm.pin(folder)
        self._authors = Authors(self._lsm.label_of, self._run)
        self._sharers = Sharers(self.survivors, self._lsm.label_of, end)
        self._wait = select.epoll()
        self._opened.append(self._wait.close)
        self._wait.register(self._lsm.epoll_fd, select.EPOLLIN)

    def _fill(self, files: FilePlan) -> list[str]:
        self._lsm.add_exec_dir(SHARED_MEMORY, "code.shm")
        for folder in temporary():
            self._lsm.add_exec_dir(folder, "code.hidden-temp")
        for address in self._host.resolvers:
            self._lsm.add_resolver(address)
        self._block_names(self._policy)
        found = entries(files, self._host.homes)
        self._objects.drop(self._objects.add(found))
        hidden = [SHARED_MEMORY, *temporary()]
        self._allowances = Allowances(self._lsm, files, self._host.homes, self._host.project, hidden)
        missing = [
            f"this kernel has no hook {name}: what it answers elsewhere goes on here"
            for name in self._lsm.missing
        ]
        return [*found.gaps, *missing]

    def _layer(self) -> RecordingLayer:
        """Nothing is left to a static layer; its mark lets an inner run know of this one."""
        return _Mark()

    def _in_force(self) -> Policy:
        return self._policy

    def _guard_gaps(self) -> Sequence[str]:
        return self._gaps

    def losses(self) -> Losses:
        """The kernel's own losses: nobody else judges."""
        return self._lsm.losses()

    def events(self, timeout: float) -> Iterable[Event]:
        """What the kernel programs tell."""
        self._wait.poll(timeout)
        for event in self._reports():
            yield _program(event)

    def grant(self, origin: int, allows: Sequence[Allow]) -> None:
        """Give the tree of `origin` these allows."""
        self._allow(origin, allows)

    def update(self, policy: Policy) -> None:
        """Put another policy in force: objects of both plans are there while decisions switch at one store."""
        plan = lower(policy, known=self._plan.groups, objects=True)
        self._files = file_plan(policy, self._host.homes, self._host.project)
        self._policy, self._plan = policy, plan
        wanted = self._objects.add(entries(self._files, self._host.homes))
        self._block_names(policy)
        self._lsm.replace(plan)
        self._lsm.confine(confine=_confines(policy))
        self._objects.drop(wanted)
        self._allowances.files = self._files

    def coverage(self) -> list[Coverage]:
        """Rows proved by refusals in a child."""
        from pratique.backends import coverage  # noqa: PLC0415 (a run does not prove again)

        return coverage.prove(LsmBackend, coverage.LSM_ROWS)

    def _number(self, group: str) -> int:
        groups = self._plan.groups
        return groups.index(group) + 1 if group in groups else 0


def _attachment() -> str:
    """The way to attach that refused something on this boot."""
    found: str = remembered("lsm-attachment", lambda: capability.capability().why)
    if not found:
        raise GuardError("LSM programs do not refuse here any more", "see pratique doctor")
    return found


def _confines(policy: Policy) -> bool:
    answer = policy.decide(Stage.BUILD, Actor.PACKAGE, Act.KERNEL_BPF, ())
    return policy.mode == "enforce" and answer.action >= Action.DENY


def _program(event: Event) -> Event:
    """A refused exec names a program, as everywhere."""
    if event.kind is not Kind.ACT or event.act not in (Act.EXEC, Act.EXEC_MAP) or "path" not in event.target:
        return event
    return event._replace(target={"exe": event.target["path"]})
