"""What one batch says, as the store takes it: bounded and checked already, with no byte of the wire's shape left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True, slots=True)
class Package:
    """What one package did in a run: counts only, as the host knew them then, so blast radius opens no segment."""

    purl: str
    identity: str | None = None
    direct: bool | None = None
    events: int = 0
    net: int = 0
    first: int | None = None
    stages: int = 0
    """Bit n: the stage of number n."""
    document: bytes | None = None
    """All that the host said of it."""


@dataclass(frozen=True, slots=True, order=True)
class Installed:
    """A package that a run installed, whether its code ran or not."""

    purl: str
    digest: str = ""
    identity: str = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that fired, with the whole message beside the columns that lists need."""

    id: str
    rule: str
    title: str
    severity: str
    action: str
    stage: str
    actor: str
    act: str
    target: str
    purl: str | None
    time: int
    count: int
    document: bytes


@dataclass(frozen=True, slots=True)
class Sighting:
    """A name, address or hash that a run had to do with; `purl` is None when nobody could be named."""

    kind: str
    value: str
    purl: str | None
    events: int
    first: int


@dataclass(frozen=True, slots=True)
class Gap:
    """What a host had to drop, counted: a hole is never silent. Told twice, it counts once."""

    id: str
    run: str
    reason: str
    batches: int
    events: int
    bytes: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Segment:
    """The agent's own compressed bytes, kept as they came."""

    data: bytes
    digest: bytes
    codec: int
    events: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of one run of one host: stored once, however often it is sent."""

    host: str
    run: str
    seq: int
    received: int
    segment: Segment
    facts: Mapping[str, object] = field(default_factory=dict)
    """Columns of `runs` that this batch knows: its beginning says other things than its end."""
    packages: Sequence[Package] = ()
    installed: Sequence[Installed] | None = None
    """What the run installed, also what did nothing; None when this batch does not say."""
    findings: Sequence[Finding] = ()
    sightings: Sequence[Sighting] = ()
    gaps: Sequence[Gap] = ()


class Outcome(Enum):
    """What became of a batch."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    """Its number is taken by other content."""
