"""Where a proposal would stand: the policy in force, and what it says of an object by its name alone."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from pratique.policy import globs
from pratique.policy.addresses import in_network, prefix_length
from pratique.policy.compile import check_rules, compile_policy
from pratique.policy.model import BLOCKED, Group, Policy, Rule
from pratique.policy.sources import Text
from pratique.policy.tried import Tried
from pratique.words import Act

_SYSTEM = re.compile(r"/(?:s?bin|usr|lib\w*|opt|snap|etc)(?:/|\Z)")
_SOMEBODYS_HOME = re.compile(r"/home/[^/]+|/root")


@dataclass(frozen=True, slots=True)
class Ground:
    """What is in force where the proposal would stand; the project's own file counts as trusted."""

    policy: Policy
    rules: Mapping[str, Rule]
    homes: tuple[str, ...] = ()
    project: str | None = None


def ground(texts: Sequence[Text], homes: Iterable[str], project: str) -> Ground:
    """What these texts put in force, with every rule of every profile; `ConfigError` at the first mistake."""
    policy = compile_policy(texts)
    rules = {rule.id: rule for rule in check_rules([text for text in texts if text.kind == "shipped"])}
    rules |= {rule.id: rule for rule in (*policy.rules, BLOCKED)}
    return Ground(policy, rules, tuple(homes), project)


def groups_of(act: Tried, on: Ground) -> Iterator[str]:
    """The groups of the object by its name, whatever the report says."""
    paths = [str(act.target[key]) for key in ("path", "to", "exe") if act.target.get(key)]
    homes = _homes(on, paths)
    for group in on.policy.groups:
        if any(_in_group(group, path, act.act, homes, on.project) for path in paths):
            yield group.name
    address, port = str(act.target.get("address") or ""), act.target.get("port")
    networks = {
        cidr: group.name for group in on.policy.groups for cidr in group.cidrs if in_network(address, cidr)
    }
    if networks:
        name = networks[max(networks, key=prefix_length)]
        yield name
        yield from (
            group.name for group in on.policy.groups if name == "net.loopback" and port in group.ports
        )


def _in_group(group: Group, path: str, act: Act, homes: Sequence[str], project: str | None) -> bool:
    if group.kind == "exe":
        name = PurePosixPath(path).name
        return act is Act.EXEC and any(fnmatchcase(name, pattern) for pattern in group.names)
    return any(globs.matches(pattern, path, homes, project) for pattern in _patterns(group))


def _patterns(group: Group) -> tuple[str, ...]:
    """`names` of files count in the project root and in homes."""
    names = group.names if group.kind == "file" else ()
    return (*group.paths, *(f"{root}/{name}" for name in names for root in ("~", ".")))


def _homes(on: Ground, paths: Iterable[str]) -> list[str]:
    """Homes of this host, and what are homes where the report was made."""
    named = (_SOMEBODYS_HOME.match(path) for path in paths)
    return list(dict.fromkeys([*on.homes, *(found[0] for found in named if found)]))


def is_plain(key: str, folder: str, on: Ground) -> bool:
    """Whether nothing that is guarded lies, or could come to lie, directly in the folder."""
    if not folder or (key == "exec" and _holds_programs(folder, on)):
        return False
    child, homes = f"{folder}/\1", _homes(on, [f"{folder}/"])
    guarded = [
        pattern
        for group in on.policy.groups
        if not group.name.startswith("policy.")
        for pattern in _patterns(group)
    ]
    # A pattern reaches into the folder, or its own last name is one of the folder's.
    reaching = (
        each
        for pattern in guarded
        for each in (pattern, f"{pattern.removesuffix('/**').rpartition('/')[0]}/*")
    )
    return not any(globs.matches(pattern, child, homes, on.project) for pattern in reaching)


def _holds_programs(folder: str, on: Ground) -> bool:
    names = {name for group in on.policy.groups if group.kind == "exe" for name in group.names}
    usual = _SYSTEM.match(folder) or folder.endswith(("/.local/bin", "/.cargo/bin", "/.bun/bin"))
    return bool(usual) or any(os.path.lexists(f"{folder}/{name}") for name in names)
