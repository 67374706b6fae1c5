"""The one interface every backend implements; the rest of the agent knows nothing else of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from pratique.managers.base import Pattern
from pratique.model import Coverage, Event, Settlement
from pratique.policy.model import Allow, Policy
from pratique.words import Actor, Stage


class Support(NamedTuple):
    """Whether a backend works on this host, found by trying it in a child; if not, why and the mend."""

    ok: bool
    why: str = ""
    mend: str = ""
    lasting: bool = False
    """A no that only another boot changes: it need not be asked again."""


class Host(NamedTuple):
    """What a backend must know of the machine and the user before it starts."""

    homes: Sequence[str]
    """Directories that `~` stands for in groups."""
    project: str
    """What `.` stands for in groups."""
    patterns: Sequence[Pattern]
    """How managers are recognised at exec."""
    resolvers: Sequence[str] = ()
    """Addresses of the resolvers that this host is set up with: questions to them are judged by name."""


class Command(NamedTuple):
    """The command to start guarded."""

    argv: Sequence[str]
    cwd: str
    environment: dict[str, str]


class Scope(NamedTuple):
    """Whose processes a daemon guards."""

    users: tuple[int, ...] | None = None
    """User ids; None: everybody's."""


class Member(NamedTuple):
    """A labelled process as the kernel knows it, also one that an earlier agent labelled."""

    run: int
    origin: int
    stage: Stage
    actor: Actor
    pending: bool


class FreshTree(NamedTuple):
    """What one package consists of on disk: its own directories with all below them, and single files."""

    purl: str
    directories: tuple[str, ...]
    files: tuple[str, ...]
    verified: bool = False
    """Whether the resolver's own state says that it came from an index by that name."""
    digest: str | None = None
    """Of its content, as the manager's record has it."""
    record: str = ""
    """The file that says all this."""
    device: int = 0
    """Number of the file system it was written to; 0: not known."""

    @property
    def places(self) -> tuple[str, ...]:
        """Its directories and its single files."""
        return *self.directories, *self.files


class FreshOpened(NamedTuple):
    """Somebody opened fresh code to run it."""

    what: str
    """`began` a run, `joined` one (another package acts in it now), or was `refused`."""
    pid: int
    run: int
    origin: int
    purls: tuple[str, ...]
    """Every package that may have acted so far."""
    path: str


class Losses(NamedTuple):
    """What was not recorded or not held, counted; anything but zeros makes a run incomplete."""

    ring: int = 0
    """Events dropped because the ring was full."""
    labels: int = 0
    """Forks refused a label because the map was full (their authors were killed)."""
    reads: int = 0
    """Kernel reads of argv, environment or cwd that failed."""

    @property
    def total(self) -> int:
        """All losses together."""
        return self.ring + self.labels + self.reads


class Ended(NamedTuple):
    """How the command ended: its exit status, or the signal that ended it."""

    exit_status: int | None
    signal: int | None
    error: str | None = None
    """Why it never started (exit status 126 or 127), or None."""

    @property
    def status(self) -> int:
        """As a shell would say it: 128 + n for signal n."""
        return 128 + self.signal if self.signal else self.exit_status or 0


class Backend(Protocol):
    """Refuses acts of labelled processes, and reports them.

    Life: `supported()` → `start()` → `spawn()` → `events()`/`settle()` … → `finish()` → `close()`.
    `close()` is idempotent and leaves no program, mark, mount or process behind.
    """

    name: str

    def supported(self) -> Support:
        """Try the backend in a child; never raises."""

    def start(self, policy: Policy, run: int) -> None:
        """Set up every hook for the run with this number; `GuardError` and nothing left behind if one fails."""

    def spawn(self, command: Command) -> int:
        """Start `command` labelled `command`, behind the static layer; its pid, already guarded."""

    def ended(self) -> Ended | None:
        """How the spawned command ended, or None while it lives."""

    def label(self, pid: int, settlement: Settlement, allows: Sequence[Allow] = ()) -> None:
        """Label a live process that no exec event announced, and give its origin these allows (tests, daemon)."""

    def events(self, timeout: float) -> Iterable[Event]:
        """Wait up to `timeout` seconds; the events that came, in order of time per process.

        `GuardError` when a part of the guard died: the tree is already dead then.
        """

    def settle(self, event: Event, settlement: Settlement, origin: int, allows: Sequence[Allow]) -> None:
        """Say what the stopped process of a pending exec is, which allows its origin has, and let it go on."""

    def recognised(self, event: Event, actor: Actor) -> None:
        """Say what the manager is that this exec began as mixed: MANAGER or MIXED; it was not stopped."""

    def refuse(self, event: Event) -> None:
        """End the stopped process of a pending exec before its first instruction."""

    def written_by_package(self, path: str) -> bool:
        """Whether package code of this run wrote the file: what it says then proves nothing."""

    def survivors(self) -> list[int]:
        """Pids of labelled processes still alive."""

    def finish(self) -> None:
        """End every labelled process of the run, then collect what they still reported."""

    def update(self, policy: Policy) -> None:
        """Put another policy in force atomically for runs that live."""

    def losses(self) -> Losses:
        """Counters of the run so far."""

    def counts(self) -> dict[str, int]:
        """Totals per kind of thing (`exec`, `connect`, `open` …), also of what was not shipped."""

    def gaps(self) -> list[str]:
        """What this run could not cover on this host, one line each."""

    def coverage(self) -> list[Coverage]:
        """One row per act and circumstance on this host, proved by a refusal in a child."""

    def close(self) -> None:
        """Detach and free everything; safe to call twice and after any failure."""


class Hold(Protocol):
    """Takes over the duty to answer somebody who is refused, to look at it first; False: it does not."""

    def __call__(self, pid: int, path: str, answer: Callable[[], None], thread: int = 0) -> bool:
        """`thread`: the one that acts, of a process that is stopped; 0: the process waits for its answer."""


class HostBackend(Backend, Protocol):
    """A backend that also guards what nobody wrapped, for many runs at once: the daemon's.

    Life: `watch()` instead of `start()`, no `spawn()`; then as before, by the run each event names. Origins
    are unique among all runs. `leave()` hands over to another agent, `close()` ends the guard.
    """

    def watch(self, policy: Policy, scope: Scope, folder: str) -> int:
        """Set up; from now on each manager in `scope` that nobody wrapped begins a run. The runs' family.

        What refuses is kept in `folder` and outlives the agent; what an earlier one kept there is taken up.
        """

    def members(self) -> Mapping[int, Member]:
        """Every labelled process by pid."""

    def new_run(self) -> int:
        """A number of the family that no run has."""

    def begin(
        self, run: int, pid: int, actor: Actor, stage: Stage, origin: int, *, off: bool = False
    ) -> None:
        """Make a live process the first of a run; `off`: of one in which no manager is recognised."""

    def wake(self) -> None:
        """End the wait in `events` at once; from any thread."""

    def forget(self, origins: Iterable[int]) -> None:
        """These origins' runs have ended: drop what they were allowed."""

    def begin_install(self, first: int, sites: Iterable[str], programs: Iterable[str]) -> None:
        """From the end of `first` until `end_install` wait: starts on these folders, execs of these programs."""

    def end_install(self, first: int) -> None:
        """What that process installed is followed now."""

    def follow(self, trees: Iterable[FreshTree], next_origin: Callable[[], int]) -> None:
        """Whoever runs this code from now on, outside any run, begins a first run before the open returns."""

    def follow_again(self, purls: Iterable[str]) -> None:
        """Take in what has appeared in these packages since."""

    def trust(self, purl: str) -> None:
        """The package begins no first run any more; in one that others began it still may have acted."""

    def unfollow(self, purl: str) -> None:
        """The package is fresh no more."""

    def beside(self, tree: FreshTree) -> set[FreshTree]:
        """Other packages that are followed in one of its places."""

    def gone(self, tree: FreshTree) -> None:
        """The package is not there any more."""

    def unmarked(self) -> list[str]:
        """What could not be followed since the last call, a line for each."""

    def hold_refusals(self, hold: Hold, reader: int) -> None:
        """Before whoever is refused an open goes on, let `hold` look at it.

        `reader` is the process it looks with: that is no first run.
        """

    def opened(self) -> list[FreshOpened]:
        """What happened to fresh code since the last call."""

    def grant(self, origin: int, allows: Sequence[Allow]) -> None:
        """From now on `origin` has these allows."""

    def leave(self) -> None:
        """End this agent and leave the guard in force for the next one, for a bounded time."""
