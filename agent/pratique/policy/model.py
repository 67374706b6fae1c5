"""The compiled policy: what a backend lowers, what decides, and what the report explains.

Only the standard library is imported here: the launcher reads a compiled policy from the cache
before the command starts, and nothing heavy may be loaded by then.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from pratique.words import Act, Action, Actor, Stage


class Row(NamedTuple):
    """One line of the decision table: who, in which stage, doing what, to which group → action."""

    stages: tuple[Stage, ...]
    actors: tuple[Actor, ...]
    act: Act
    group: str
    """Name of a group, or `*` for any object."""
    action: Action
    tainted: bool | None = None
    """None: whether or not a secret was read; True: only once one was."""


class Rule(NamedTuple):
    """A rule as people wrote it, reduced to what deciding and explaining need."""

    id: str
    title: str
    severity: str
    """`low`, `medium`, `high` or `critical`."""
    explain: str
    techniques: tuple[str, ...] = ()
    description: str = ""
    false_positives: tuple[str, ...] = ()
    maturity: str = "stable"
    locked: bool = False
    """An `[[allow]]` cannot override it."""
    rows: tuple[Row, ...] = ()
    detect: Mapping[str, Any] | None = None
    """`field|modifier: value` conditions over events, checked at load; evaluated by `runs`."""
    sequence: Mapping[str, Any] | None = None
    """Ordered steps with `within` and `by`; evaluated by `runs`."""
    source: str = ""
    """`file:line` it came from."""


class Group(NamedTuple):
    """A named set of objects. `kind` says which of the tuples count."""

    name: str
    kind: str
    """`file`, `exe`, `net`, `ipc` or `code` (computed by a backend: memfd, fresh …)."""
    title: str = ""
    paths: tuple[str, ...] = ()
    """Absolute globs; `~` means every home, `.` the project root; `/**` at the end means all below."""
    names: tuple[str, ...] = ()
    """Basename globs: of files at the top of the project and of homes; of programs, for kind `exe`."""
    cidrs: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    own_actors: tuple[Actor, ...] = ()
    """Actors besides `command` that may always use it (a manager its own credentials)."""
    static: tuple[str, ...] = ()
    """Prefixes of `paths` that neither command, manager nor helper writes: read-only in a wrapped run."""


class Allow(NamedTuple):
    """One `[[allow]]`: matches a verified identity only (docs/policy.md section 3)."""

    package: str
    """purl with an exact version, a range (`@>=1,<2`) or none."""
    reason: str
    digest: str | None = None
    stages: tuple[Stage, ...] = ()
    """Empty: every stage."""
    connect: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    exec: tuple[str, ...] = ()
    ipc: tuple[str, ...] = ()
    expires: str | None = None
    """ISO date; the allow ends at its end (UTC)."""
    source: str = ""
    """`file:line` it came from."""


class Block(NamedTuple):
    """One `[[block]]`: a package that must not run at all, or a host; matches claimed names as well."""

    package: str
    """Empty when it names something else."""
    reason: str
    source: str = ""
    digest: str | None = None
    """Whatever the package with this content is called."""
    host: str | None = None
    """Nobody in a run may ask for this name, or for those below it (`*.`)."""


class Source(NamedTuple):
    """A file that took part in the policy."""

    path: str
    digest: str
    kind: str
    """`shipped`, `system`, `collector`, `user`, `project` or `argument`."""
    trusted: bool
    """False: a project file that only narrows; its allows were left out."""


class Decision(NamedTuple):
    """What the table says of one act on one object."""

    action: Action
    rule: str | None
    group: str | None
    locked: bool = False


BLOCKED = Rule(
    id="package.blocked",
    title="a package that the policy blocks",
    severity="critical",
    explain="The policy in force says that this package must not run at all.",
    techniques=("T1195.002",),
    locked=True,
)
"""The rule behind every `[[block]]`; it has no row, for it is about a package and not about an object."""

BLOCKED_HOST = Rule(
    id="host.blocked",
    title="a host that the policy blocks",
    severity="critical",
    explain="The policy in force says that nobody may speak to this host.",
    techniques=("T1071.001",),
    locked=True,
    rows=(Row(tuple(Stage), tuple(Actor), Act.NET_DNS, "net.blocked", Action.KILL),),
)
"""The rule behind every `[[block]]` of a host; the kernel answers its kill with an error: nothing happened yet."""

NO_RULE = Decision(Action.ALLOW, None, None)


class _InForce(NamedTuple):
    """The fields of a `Policy`: a class of its own, for a named tuple has no room for what is worked out once."""

    digest: str
    profile: str
    rules: tuple[Rule, ...]
    groups: tuple[Group, ...]
    allows: tuple[Allow, ...] = ()
    sources: tuple[Source, ...] = ()
    fail_on_incomplete: bool = False
    env_strip: tuple[str, ...] = ()
    mode: str = "enforce"
    """`enforce`, or `audit`: every deny and kill is recorded as audited with what it would have been."""
    notes: tuple[str, ...] = ()
    """Warnings to print once: an untrusted project file, an expired allow."""
    blocks: tuple[Block, ...] = ()
    project_policy: bool = False
    """`/etc` lets the daemon read project files."""


class Policy(_InForce):
    """All that is in force for a run. Equal digests mean equal behaviour."""

    def rule(self, rule_id: str) -> Rule:
        """The rule with this id; KeyError if the policy has none."""
        return self._by_id[rule_id]

    def group(self, name: str) -> Group:
        """The group with this name; KeyError if the policy has none."""
        return self._groups[name]

    def decide(
        self, stage: Stage, actor: Actor, act: Act, groups: Iterable[str], tainted: bool = False
    ) -> Decision:
        """The strongest action any of the object's groups draws (kill > deny > audit > allow)."""
        found = [self._table.get((stage, actor, act, group, tainted)) for group in (*groups, "*")]
        return max((row for row in found if row), key=lambda row: row.action, default=NO_RULE)

    @cached_property
    def _by_id(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in (*self.rules, BLOCKED)}

    @cached_property
    def _groups(self) -> dict[str, Group]:
        return {group.name: group for group in self.groups}

    @cached_property
    def _table(self) -> dict[tuple[Stage, Actor, Act, str, bool], Decision]:
        table: dict[tuple[Stage, Actor, Act, str, bool], Decision] = {}
        for rule in self.rules:
            for row in rule.rows:
                decision = Decision(row.action, rule.id, row.group, rule.locked)
                for key in _keys(row):
                    held = table.get(key)
                    if held is None or decision.action > held.action:
                        table[key] = decision
        return table


def _keys(row: Row) -> Iterable[tuple[Stage, Actor, Act, str, bool]]:
    taints = (False, True) if row.tainted is None else (row.tainted,)
    return (
        (stage, actor, row.act, row.group, taint)
        for stage in row.stages
        for actor in row.actors
        for taint in taints
    )
