"""What flows between the layers: kernel → backend → runs → report. Frozen; no layer reaches into another.

Times are seconds since the epoch (UTC). Paths, names and argv are `str` decoded with `surrogateescape`
and may hold anything: they come from hostile code and are escaped only at the output.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from pratique.words import Act, Action, Actor, Level, Quality, Stage

_NOTHING: Mapping[str, Any] = {}


class Identity(NamedTuple):
    """Which package code belongs to: `purl` and friends are None when unknown, never guessed."""

    quality: Quality = Quality.UNKNOWN
    purl: str | None = None
    source: str | None = None
    """URL the resolver took it from, user info and query removed."""
    digest: str | None = None
    """`sha256-<hex>` or an npm-style `sha512-<base64>`."""
    direct: bool | None = None
    """True when the user named the package, False when it was pulled in."""
    candidates: tuple[str, ...] = ()


UNKNOWN = Identity()


class Installed(NamedTuple):
    """A package that a run left on the disk, whether its code ran or not, as the manager's own record names it."""

    purl: str
    quality: Quality
    """Verified: from an index by that name, in a record that no package code wrote."""
    digest: str | None = None
    """`sha512-<base64>` of npm's archive; `record-sha256-<hex>` of a Python package's files (docs/telemetry.md)."""


class Kind(StrEnum):
    """What an event reports."""

    FORK = "fork"
    EXEC = "exec"
    EXIT = "exit"
    ACT = "act"


class Exec(NamedTuple):
    """An exec as the kernel saw it at `sched_process_exec`."""

    exe: str
    """`bprm->filename` as given by the caller."""
    interp: str
    """`bprm->interp`: differs from `exe` for a script."""
    argv: tuple[str, ...]
    cwd: str
    environment: Mapping[str, str] = _NOTHING
    """Only the few keys that name a package or mark a lifecycle script; never a secret."""
    truncated: bool = False
    pending: bool = False
    """The process is stopped before its first instruction and waits for `Backend.settle`."""


class Event(NamedTuple):
    """One thing a labelled process did or tried."""

    time: float
    kind: Kind
    pid: int
    ppid: int
    run: int
    origin: int
    """Number of the process at which package code began, 0 for none; unique in the run."""
    stage: Stage
    actor: Actor
    act: Act | None = None
    action: Action = Action.ALLOW
    """What was done: AUDIT recorded, DENY refused, KILL ended its author."""
    would: Action | None = None
    """In audit mode: what would have been done."""
    rule: str | None = None
    """Id of the deciding rule; None when none applied."""
    groups: tuple[str, ...] = ()
    tainted: bool = False
    level: Level | None = None
    """How the refusal was achieved, for a refused act."""
    target: Mapping[str, Any] = _NOTHING
    """`path`, `to`, `address`, `port`, `protocol`, `name`, `exe`, `request`, `errno` …, as the act has them."""
    exec: Exec | None = None
    comm: str = ""
    times: int = 1
    """How many acts like it, by the same process within a second, it stands for."""

    @property
    def is_asking(self) -> bool:
        """Whether somebody must say who this is: a stopped process, or a manager that has just begun."""
        return self.exec is not None and (self.exec.pending or self.actor is Actor.MIXED)


class Settlement(NamedTuple):
    """What a stopped process is: the answer to a pending exec."""

    actor: Actor
    stage: Stage
    identity: Identity = UNKNOWN
    new_origin: bool = False
    """True where package (or project) code begins: the process becomes the origin of what it starts."""
    reason: str = ""
    """One phrase for the report: why it was taken for this actor."""
    approved: bool | None = None
    """Whether the project's own list lets the package run scripts; None where it keeps no such list."""


class Coverage(NamedTuple):
    """One row of what is covered on this host now; `scenario` names the proof."""

    act: Act
    when: str
    level: Level
    reason: str
    scenario: str | None = None
