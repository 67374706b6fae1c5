"""The one interface every backend implements; the rest of the agent knows nothing else of them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from pratique.managers.base import Pattern
from pratique.model import Coverage, Event, Settlement
from pratique.policy.model import Allow, Policy


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

    def label(self, pid: int, settlement: Settlement) -> None:
        """Label a live process that no exec event announced (tests, daemon)."""

    def events(self, timeout: float) -> Iterable[Event]:
        """Wait up to `timeout` seconds; the events that came, in order of time per process.

        `GuardError` when a part of the guard died: the tree is already dead then.
        """

    def settle(self, event: Event, settlement: Settlement, origin: int, allows: Sequence[Allow]) -> None:
        """Say what the stopped process of a pending exec is, which allows its origin has, and let it go on."""

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
