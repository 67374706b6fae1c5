"""The rules with one of them deleted, and the scenario that must notice.

Which scenario speaks for a rule is read off the rows: their act and group, put to the shipped policy, name the
rule that decides. So a rule that no row needs has no witness, which is a failure of its own.
"""

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from pratique import resources
from pratique.backends.base import Backend, Host
from pratique.policy import cache as policies
from pratique.policy import sources
from pratique.policy.model import Policy
from pratique.words import Act, Actor, Stage
from scenarios.checks import row_broken
from scenarios.replaying import guarded, shipped
from scenarios.replays import Replay, replays
from scenarios.scenario import Row, Scenario
from scenarios.staged import Place, staged

BLIND = {
    "dns.tunnel": "this backend refuses a question without reading the name in it",
    "ring.use": "the filter answers every ring as a kernel without them does, and says nothing of it",
}
"""Rules that say nothing on `hooks`; a row says so, and their samples are all that tests them here."""
OF_MANAGERS = {
    "manager.mixed": "test_managers.py",
    "script.unapproved": "test_managers.py",
    "secrets.mixed": "test_mixed.py",
    "brokers.mixed": "test_mixed.py",
}
"""Rules about managers themselves: no replay has one, so these files of `tests/root` play them with real ones."""
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
    return {rule for row in scenario.rows for rule in _rules(scenario, row, backend)}


def missed(
    rule: str, wanted: Replay, place: Place, make: Callable[[Host], Backend], rules: Path
) -> list[str]:
    """Play it in `place` under the rules of that folder: what is wrong with the findings that `rule` alone makes."""
    with staged(wanted.scenario, place):
        played = guarded(wanted, place, make, shipped(place, rules=rules))
        mine = [row for row in wanted.scenario.rows if _rules(wanted.scenario, row, wanted.backend) == {rule}]
        return [line for row in mine for line in row_broken(row, played)]


def without(rule: str, into: Path) -> Path:
    """A copy of the shipped rules that lacks one."""
    folder = into / f"rules-without-{rule}"
    shutil.copytree(resources.rules(), folder)
    (folder / f"{rule}.yaml").unlink()
    return folder


def _rules(scenario: Scenario, row: Row, backend: str) -> set[str]:
    """The one rule that makes the finding of a row; none when it owes none, or several could make it."""
    detected = "D" in getattr(row.expected(backend), "marks", "")
    rules = set(_deciders(scenario, row)) if detected else set()
    return rules if len(rules) == 1 else set()


def _deciders(scenario: Scenario, row: Row) -> Iterator[str]:
    """The rule a row names, else what the policy says to each of its acts."""
    if row.rule is not None:
        yield row.rule
        return
    groups = (row.group,) if row.group else ()
    for act in row.act:
        decision = standard().decide(_STAGES[scenario.stage], Actor.PACKAGE, _ACTS[act], groups)
        yield decision.rule or ""
