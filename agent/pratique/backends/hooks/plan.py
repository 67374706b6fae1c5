"""A policy lowered to what the kernel programs look up: small numbers instead of names."""

from typing import NamedTuple

from pratique.words import Act, Action, Actor, Stage

# Groups the kernel or the agent computes instead of looking up an address or inode. `rules/groups/` describes
# them (kind: code), so that rules can name them.
CODE_GROUPS = (
    "code.memfd",  # an executable that never had a name
    "code.deleted",  # an executable whose last name is gone
    "code.shm",  # below /dev/shm
    "code.hidden-temp",  # a hidden file below a temporary directory
    "code.fresh",  # written by package code in this run
    "net.own",  # a loopback port that the same run bound
    "net.raw-socket",  # any internet socket that is not TCP, UDP or MPTCP
    "proc.outside",  # a process that is no descendant of the same origin
    "net.blocked",  # a name that a [[block]] names
)


class Network(NamedTuple):
    """An address prefix (v4 or v6 text) and the group it draws; the longest prefix wins."""

    cidr: str
    group: int


class Port(NamedTuple):
    """A loopback port that belongs to a broker."""

    port: int
    group: int


class Cell(NamedTuple):
    """One cell of the decision table."""

    stage: Stage
    actor: Actor
    act: Act
    group: int
    tainted: bool
    action: Action
    rule: int
    locked: bool


class Plan(NamedTuple):
    """Everything the kernel side needs. Group and rule numbers are indices into the two tuples of names (from 1)."""

    groups: tuple[str, ...]
    """Name of group n is `groups[n - 1]`; 0 is no group. CODE_GROUPS come first, in their order."""
    rules: tuple[str, ...]
    """Id of rule n is `rules[n - 1]`; 0 is no rule."""
    networks: tuple[Network, ...]
    ports: tuple[Port, ...]
    cells: tuple[Cell, ...]
    """Only acts that the kernel decides: exec (code groups), net.connect, net.dns, proc.memory, ipc.connect,
    file.write and file.create of existing places, kernel.bpf, ns.enter, mount."""
    audit: bool
    """Deny and kill become audit, with `would` kept."""
