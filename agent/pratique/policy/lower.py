"""A policy brought down to what a backend looks up: cells and networks, and places for file guards."""

import os
from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

from pratique.backends.hooks.plan import CODE_GROUPS, Cell, Network, Plan, Port
from pratique.policy import globs
from pratique.policy.model import Decision, Group, Policy
from pratique.policy.places import Finder, Place
from pratique.words import Act, Action, Actor, Stage

_WRITES = (Act.FILE_WRITE, Act.FILE_CREATE)
_ON_FILES = (
    *(Act.FILE_READ, Act.FILE_WRITE, Act.FILE_CREATE, Act.FILE_LINK, Act.FILE_RENAME),
    *(Act.FILE_REMOVE, Act.FILE_TRUNCATE, Act.FILE_SETATTR),
)
_ON_OBJECTS = (*_ON_FILES, Act.EXEC, Act.EXEC_MAP, Act.PRIV_GAIN, Act.PROC_SIGNAL, Act.RING)
_USUAL_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/snap/bin")
_HOME_FOLDERS = (".local/bin", "bin", ".cargo/bin", ".bun/bin", ".npm-global/bin")
# Files that stand for many programs or run other files: guarding them would guard everything.
_SHARED = (
    "busybox",
    "toybox",
    "coreutils",
    "snap",
    "env",
    "bash",
    "dash",
    "sh",
    "node",
    "python",
    "perl",
    "ruby",
)


class FilePlan(NamedTuple):
    """Which places are guarded how."""

    read: list[Place]
    """Existing places that somebody may not read, or that are recorded when read."""
    create: list[Place]
    """Missing places that somebody may not bring into being."""
    exec: list[Place]
    """Programs that somebody may not start; `path` is the file behind all links."""
    readonly: list[str]
    """Bound read-only on themselves in a wrapped run."""
    masked: list[str]
    """Sockets hidden in a wrapped run."""
    ipc: list[Place]
    """Sockets that somebody may not connect to."""
    write: list[Place]
    """Existing places that somebody may not open for writing."""
    watch: list[str]
    """Directories in which a new entry may bring another place into being: plan again then."""
    unmade: Sequence[Place] = ()
    """Missing places that somebody may not read once they are there; also folders missing on the way to one."""


def lower(policy: Policy, *, known: Sequence[str] = (), objects: bool = False) -> Plan:
    """The policy as the kernel looks it up; no cell means allow, group 0 is an object in no group.

    `objects`: for a kernel that judges every act on files and programs itself. `known`: groups that keep their
    numbers, so that what was filled in by an earlier plan means the same in this one.
    """
    nets = [group for group in policy.groups if group.kind == "net"]
    sockets = [group for group in policy.groups if group.kind == "ipc"]
    files = _ruled(policy, "file", _ON_FILES if objects else _WRITES)
    programs = _ruled(policy, "exe", (Act.EXEC,)) if objects else []
    new = (group.name for group in (*nets, *sockets, *files, *programs))
    names = tuple(dict.fromkeys((*CODE_GROUPS, *known, *new)))
    cells = _cells(policy, names, objects=objects)
    numbers = {name: index for index, name in enumerate(names, start=1)}
    rules = tuple(rule.id for rule in policy.rules)
    return Plan(
        groups=names,
        rules=rules,
        networks=tuple(Network(cidr, numbers[group.name]) for group in nets for cidr in group.cidrs),
        ports=tuple(Port(port, numbers[group.name]) for group in nets for port in group.ports),
        cells=tuple(_numbered(cells, numbers, {rule: index for index, rule in enumerate(rules, start=1)})),
        audit=policy.mode == "audit",
    )


def file_plan(policy: Policy, homes: Sequence[str], project: str | None) -> FilePlan:
    """Where on this host the policy's file, program and socket groups are, now."""
    finder = Finder(homes, project)
    read = finder.survey(_ruled(policy, "file", (Act.FILE_READ,)))
    write = finder.survey(_ruled(policy, "file", _WRITES))
    return FilePlan(
        read=[place for place in read.places if place.exists],
        create=[place for place in write.places if not place.exists],
        exec=list(_programs(_ruled(policy, "exe", (Act.EXEC,)), homes)),
        readonly=_readonly(policy, finder, homes, project),
        masked=_masked(policy, finder, homes, project),
        ipc=finder.places(_ruled(policy, "ipc", (Act.IPC_CONNECT,))),
        write=[place for place in write.places if place.exists],
        watch=list(dict.fromkeys([*read.watch, *write.watch])),
        unmade=[place for place in read.places if not place.exists],
    )


_Keyed = tuple[Stage, Actor, Act, str, bool]


def _cells(policy: Policy, names: Sequence[str], *, objects: bool) -> Iterable[tuple[_Keyed, Decision]]:
    keys = _object_keys(policy) if objects else _write_keys(policy)
    for key in dict.fromkeys((*_asked(policy, names), *keys)):
        stage, actor, act, name, tainted = key
        # Mapping a program is starting it by other means.
        found = policy.decide(stage, actor, act, [name], tainted)
        if act is Act.EXEC_MAP and found.action is Action.ALLOW and not name.startswith("code."):
            found = policy.decide(stage, actor, Act.EXEC, [name], tainted)
        if found.rule is not None and found.action is not Action.ALLOW:
            yield key, found


def _asked(policy: Policy, names: Sequence[str]) -> Iterable[_Keyed]:
    """What any kernel side looks up."""
    objects = {
        Act.EXEC: [*(name for name in names if name.startswith("code.")), ""],
        Act.NET_CONNECT: [*(name for name in names if name.startswith("net.")), ""],
        Act.NET_DNS: [*(name for name in names if name.startswith("net.")), ""],
        Act.PROC_MEMORY: ["proc.outside", ""],
        Act.IPC_CONNECT: [*(group.name for group in policy.groups if group.kind == "ipc"), ""],
        # Not `ring`: every node and libuv asks for one and goes on without it.
        Act.KERNEL_BPF: [""],
        Act.NS_ENTER: [""],
        Act.MOUNT: [""],
    }
    for act, found in objects.items():
        for name, stage, actor, tainted in product(found, Stage, Actor, (False, True)):
            yield stage, actor, act, name, tainted


def _write_keys(policy: Policy) -> Iterable[_Keyed]:
    places = [group.name for group in _ruled(policy, "file", _WRITES)]
    for act, name, stage, actor, tainted in product(_WRITES, places, Stage, Actor, (False, True)):
        yield stage, actor, act, name, tainted


def _object_keys(policy: Policy) -> Iterable[_Keyed]:
    """Only what a row speaks of: all acts times all groups would be tens of thousands."""
    keys: dict[_Keyed, None] = {}
    for row in (row for rule in policy.rules for row in rule.rows if row.act in _ON_OBJECTS):
        acts = (Act.EXEC, Act.EXEC_MAP) if row.act is Act.EXEC else (row.act,)
        name = "" if row.group == "*" else row.group
        taints = (False, True) if row.tainted is None else (row.tainted,)
        keys |= dict.fromkeys(
            (stage, actor, act, name, tainted)
            for stage, actor, act, tainted in product(row.stages, row.actors, acts, taints)
        )
    return keys


def _numbered(
    cells: Iterable[tuple[_Keyed, Decision]], numbers: dict[str, int], rules: dict[str, int]
) -> Iterable[Cell]:
    for (stage, actor, act, name, tainted), found in cells:
        if found.rule is not None:
            number = rules[found.rule]
            yield Cell(stage, actor, act, numbers.get(name, 0), tainted, found.action, number, found.locked)


def _ruled(policy: Policy, kind: str, acts: Sequence[Act], least: Action = Action.AUDIT) -> list[Group]:
    """Groups of the kind on which package code draws at least this action for one of the acts."""
    rows = (row for rule in policy.rules for row in rule.rows)
    names = {
        row.group for row in rows if row.act in acts and row.action >= least and Actor.PACKAGE in row.actors
    }
    return [group for group in policy.groups if group.kind == kind and group.name in names]


def _readonly(policy: Policy, finder: Finder, homes: Sequence[str], project: str | None) -> list[str]:
    if policy.mode == "audit":
        return []
    denied = _ruled(policy, "file", _WRITES, Action.DENY)
    found = finder.places(_static(denied))
    # A place that the user lets some package write cannot be read-only for all: the kernel judges each open there.
    opened = [each for one in _given(policy, "write") for each in globs.anchored(one, homes, project)]
    return [
        path
        for path in dict.fromkeys(place.path for place in found if place.exists)
        if not any(globs.matches(one, path, homes, project) or one.startswith(f"{path}/") for one in opened)
    ]


def _masked(policy: Policy, finder: Finder, homes: Sequence[str], project: str | None) -> list[str]:
    if policy.mode == "audit":
        return []
    denied = _ruled(policy, "ipc", (Act.IPC_CONNECT,), Action.DENY)
    found = [place.path for place in finder.places(_static(denied)) if place.exists]
    # A socket that the user allows to some package must be there; shipped data alone does not open one.
    wanted = {
        path for path in found for one in _given(policy, "ipc") if _same_socket(one, path, homes, project)
    }
    return [path for path in dict.fromkeys(found) if path not in wanted]


def _given(policy: Policy, key: str) -> list[str]:
    """The patterns that the user's own allows have under the key."""
    held = [allow for allow in policy.allows if not allow.source.startswith("rules/")]
    return [one for allow in held for one in getattr(allow, key)]


def _same_socket(pattern: str, path: str, homes: Sequence[str], project: str | None) -> bool:
    spelt = (pattern, pattern.replace("/var/run/", "/run/", 1))
    return any(globs.matches(one, path, homes, project) for one in spelt)


def _static(groups: Iterable[Group]) -> list[Group]:
    return [
        group._replace(paths=tuple(path for path in group.paths if path.startswith(group.static)))
        for group in groups
    ]


def _programs(groups: Sequence[Group], homes: Sequence[str]) -> Iterable[Place]:
    folders = [*_USUAL_FOLDERS, *(f"{home}/{folder}" for home in homes for folder in _HOME_FOLDERS)]
    folders += [folder for folder in os.environ.get("PATH", "").split(":") if folder.startswith("/")]
    paths = (
        (f"{folder}/{name}", group.name)
        for group in groups
        for folder in dict.fromkeys(folders)
        for name in group.names
    )
    found = {(os.path.realpath(path), group): None for path, group in paths if os.path.lexists(path)}
    return [Place(path, group, True, False, False) for path, group in found if _is_own_program(path)]


def _is_own_program(path: str) -> bool:
    name = path.rpartition("/")[2]
    return os.path.isfile(path) and name.rstrip("0123456789.") not in _SHARED  # noqa: PTH113  (in a start-up path)
