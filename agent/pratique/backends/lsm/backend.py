"""The `lsm` backend put together: kernel programs that answer every act, their pins, and the labelled command."""

from collections.abc import Iterable, Sequence

from pratique.backends.base import Host, Support
from pratique.backends.hooks.allowances import Allowances
from pratique.backends.hooks.static import RecordingLayer
from pratique.backends.kernel import KernelBackend
from pratique.backends.lsm import capability, pins
from pratique.backends.lsm.objects import Objects, entries
from pratique.backends.lsm.probes import Probes
from pratique.backends.lsm.renewal import Renewal
from pratique.backends.memory import remembered
from pratique.errors import GuardError
from pratique.model import Coverage, Event, Kind
from pratique.policy.lower import FilePlan, file_plan, lower
from pratique.policy.model import Policy
from pratique.words import Act, Action, Actor, Stage


class _Mark(RecordingLayer):
    """Refuses nothing, and nothing is missed by that."""

    gaps = ()


class LsmBackend(KernelBackend):
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
        self._plan = lower(policy, known=self._known_groups(), objects=True)
        self._files = file_plan(policy, self._host.homes, self._host.project)
        self._probes = self._lsm = Probes(
            attachment(), self._plan, self._run, self._host.patterns, pins=self._pins
        )
        self._opened.append(self._lsm.close)
        self._lsm.load()
        self._lsm.confine(confine=_confines(policy))
        self._objects = Objects(self._lsm.table, self._lsm.keys.of, self._number)
        self._gaps = self._fill(self._files)
        self._lsm.attach()
        self._attached()
        if self._pins is None:
            self._pin()
        self._renewal = Renewal(self._host.homes, self._files)
        self._follow_labels()
        self._wait_for([self._lsm.epoll_fd])

    def _known_groups(self) -> Sequence[str]:
        """Groups whose numbers are taken."""
        return ()

    def _pin(self) -> None:
        folder = pins.folder()
        self._opened.append(lambda: pins.remove(folder))
        self._lsm.pin(folder)

    def _fill(self, files: FilePlan) -> list[str]:
        hidden = self._name_hidden()
        self._block_names(self._policy)
        found = entries(files, self._host.homes)
        self._objects.drop(self._objects.add(found))
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

    def events(self, timeout: float) -> Iterable[Event]:
        """What the kernel programs tell; what came into being meanwhile is guarded from now on."""
        yield from super().events(timeout)
        homes = self._renewal.due()
        if homes is not None:
            self._host = self._host._replace(homes=homes)
            self._objects.drop(self._add_places())

    def _add_places(self) -> dict[str, dict[bytes, bytes]]:
        """Write every place as it is now beside those that are there."""
        self._files = file_plan(self._policy, self._host.homes, self._host.project)
        self._allowances.files = self._files
        self._renewal.plan(self._host.homes, self._files)
        return self._objects.add(entries(self._files, self._host.homes))

    def _seen(self, event: Event) -> Event:
        """A refused exec names a program, as everywhere."""
        if (
            event.kind is not Kind.ACT
            or event.act not in (Act.EXEC, Act.EXEC_MAP)
            or "path" not in event.target
        ):
            return event
        return event._replace(target={"exe": event.target["path"]})

    def update(self, policy: Policy) -> None:
        """Put another policy in force: objects of both plans are there while decisions switch at one store."""
        plan = lower(policy, known=self._plan.groups, objects=True)
        self._policy, self._plan = policy, plan
        wanted = self._add_places()
        self._block_names(policy)
        self._lsm.replace(plan)
        self._lsm.confine(confine=_confines(policy))
        self._objects.drop(wanted)

    def coverage(self) -> list[Coverage]:
        """Rows proved by refusals in a child."""
        from pratique.backends import coverage  # noqa: PLC0415 (a run does not prove again)

        return coverage.prove(LsmBackend, coverage.LSM_ROWS)

    def _number(self, group: str) -> int:
        groups = self._plan.groups
        return groups.index(group) + 1 if group in groups else 0


def attachment() -> str:
    """The way to attach that refused something on this boot."""
    found: str = remembered("lsm-attachment", lambda: capability.capability().why)
    if not found:
        raise GuardError("LSM programs do not refuse here any more", "see pratique doctor")
    return found


def _confines(policy: Policy) -> bool:
    answer = policy.decide(Stage.BUILD, Actor.PACKAGE, Act.KERNEL_BPF, ())
    return policy.mode == "enforce" and answer.action >= Action.DENY
