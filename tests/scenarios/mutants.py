"""The rules with one of them deleted, and the scenario that must notice.

Which scenario speaks for a rule is read off the rows: their act and group, put to the shipped policy, name the
rule that decides. So a rule that no row needs has no witness, which is a failure of its own.
"""

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pratique import resources
from pratique.policy import cache as policies
from pratique.policy import sources
from pratique.policy.model import Policy
from pratique.words import Act, Actor, Stage
from scenarios.replays import Replay, replays
from scenarios.scenario import Row, Scenario

BLIND = {
    "dns.tunnel": "this backend refuses a question without reading the name in it",
    "ring.use": "the filter answers every ring as a kernel without them does, and says nothing of it",
}
"""Rules that say nothing on `hooks`; a row says so, and their samples are all that tests them here."""
_STAGES = {stage.word: stage for stage in Stage}
_ACTS = {act.word: act for act in Act}


@cache
def standard() -> Policy:
    """The shipped policy in its default profile, for nobody in particular."""
    return policies.load(sources.Request(home="/nonexistent", system="/nonexistent"))


def default_rules() -> list[str]:
    """Ids of the rules that are in force by default."""
    return sorted(rule.id for rule in standard().rules)


def witness(rule: str, backend: str = "hooks") -> Replay | None:
    """The replay that must fail without the rule; None when none would."""
    found = [each for each in replays(backend) if rule in spoken_for(each.scenario, backend)]
    return min(found, key=lambda each: (len(each.needs), each.scenario.metadata, each.id), default=None)


def spoken_for(scenario: Scenario, backend: str = "hooks") -> set[str]:
    """The rules without which a finding that the scenario expects would be missing."""
    detected = [row for row in scenario.rows if "D" in getattr(row.expected(backend), "marks", "")]
    decided = [set(_deciders(scenario, row)) for row in detected]
    return {rule for rules in decided if len(rules) == 1 for rule in rules}


def without(rule: str, into: Path) -> Path:
    """A copy of the shipped rules that lacks one."""
    folder = into / f"rules-without-{rule}"
    shutil.copytree(resources.rules(), folder)
    (folder / f"{rule}.yaml").unlink()
    return folder


def _deciders(scenario: Scenario, row: Row) -> Iterator[str]:
    """The rule a row names, else what the policy says to each of its acts."""
    if row.rule is not None:
        yield row.rule
        return
    groups = (row.group,) if row.group else ()
    for act in row.act:
        decision = standard().decide(_STAGES[scenario.stage], Actor.PACKAGE, _ACTS[act], groups)
        yield decision.rule or ""
