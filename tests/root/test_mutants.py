"""Each default rule deleted in turn: a scenario must fail then, or the rule proves nothing."""

from pathlib import Path

import pytest

from lab.demands import demand
from lab.world import World
from pratique.backends.base import Host
from pratique.backends.hooks.backend import HooksBackend
from scenarios.mutants import BLIND, OF_MANAGERS, default_rules, missed, without, witness
from scenarios.replaying import play, shipped
from scenarios.runner import missing


def _hooks(machine: Host) -> HooksBackend:
    return HooksBackend(machine)


@pytest.mark.parametrize("rule", [rule for rule in default_rules() if rule not in (*BLIND, *OF_MANAGERS)])
def test_a_deleted_rule_is_noticed(guard: None, rule: str, tmp_path: Path) -> None:
    """Without the rule, the finding that it alone makes is missing or another's (with it, `test_replays` sees it)."""
    wanted = witness(rule)
    assert wanted is not None, f"no scenario would notice that {rule} is gone: write one"
    demand(missing(wanted.scenario))

    with World([], metadata=wanted.scenario.metadata) as world:
        lines = missed(rule, wanted, world, _hooks, without(rule, tmp_path))
    assert lines, f"{wanted.id} does not notice that {rule} is gone"


def test_the_whole_rules_are_not_noticed(guard: None, tmp_path: Path) -> None:
    """A copy of the rules with nothing deleted breaks no promise: the copy itself is not what fails."""
    wanted = witness("secrets.install")
    assert wanted is not None
    folder = without("dns.volume", tmp_path)  # not in force by default

    with World([], metadata=wanted.scenario.metadata) as world:
        assert play(wanted, world, _hooks, shipped(world, rules=folder)) == []
