"""Which groups an object belongs to by its name alone: for rule samples, replay and explanations.

Backends decide on what the kernel resolved, never on these names.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from pratique.policy import globs
from pratique.policy.addresses import in_network, prefix_length
from pratique.policy.model import Group, Policy
from pratique.words import Act

_KINDS = {Act.EXEC: ("exe",), Act.IPC_CONNECT: ("ipc",)}


def groups_of(
    policy: Policy, act: Act, target: Mapping[str, Any], homes: Sequence[str], project: str | None
) -> tuple[str, ...]:
    """The groups the act's object is in; computed groups (`groups` in the target) are taken as given."""
    given = tuple(target.get("groups", ()))
    if act is Act.NET_CONNECT:
        return given or _network_group(policy, str(target.get("address", "")), target.get("port"))
    kinds = _KINDS.get(act, ("file",) if act.word.startswith("file.") else ())
    groups = (group for group in policy.groups if group.kind in kinds)
    return given + tuple(group.name for group in groups if _holds(group, target, homes, project))


def _holds(group: Group, target: Mapping[str, Any], homes: Sequence[str], project: str | None) -> bool:
    ends = [str(target[end]) for end in ("exe", "path", "to") if target.get(end)]
    if group.kind == "exe":
        return any(fnmatchcase(end.rpartition("/")[2], name) for end in ends for name in group.names)
    named = [f"{base}/{name}" for name in group.names for base in ("~", ".")]
    return any(globs.matches(one, end, homes, project) for end in ends for one in (*group.paths, *named))


def _network_group(policy: Policy, address: str, port: object) -> tuple[str, ...]:
    nets = [group for group in policy.groups if group.kind == "net"]
    fitting = [
        (prefix_length(cidr), group.name)
        for group in nets
        for cidr in group.cidrs
        if in_network(address, cidr)
    ]
    name = max(fitting, default=(0, ""))[1]
    if name == "net.loopback":
        name = next((group.name for group in nets if port in group.ports), name)
    return (name,) if name else ()
