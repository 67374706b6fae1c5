"""The samples that ride in a rule file: each `match` must fire the rule, each `benign` must not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pratique.errors import ConfigError
from pratique.policy.documents import RuleShape
from pratique.policy.load import Document, Path
from pratique.policy.model import Group, Policy, Rule
from pratique.policy.objects import groups_of
from pratique.words import Act, Action, Actor, Stage

# The people and places that samples speak of.
HOMES = ("/home/user",)
PROJECT = "/home/user/project"

_ENFORCE_KEYS = frozenset(
    ("stage", "actor", "act", "path", "to", "exe", "address", "port", "name", "groups", "tainted", "action")
)
_SEQUENCE_KEYS = frozenset(("events", "repeat", "every"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """One sample, tried."""

    where: str
    """`file:line`."""
    kind: str
    """`match` or `benign`."""
    failure: str
    """Empty when the sample does what it must."""


def try_samples(
    shape: RuleShape, rule: Rule, document: Document, groups: Mapping[str, Group]
) -> Iterator[Outcome]:
    """Try every sample of a rule; `ConfigError` for a sample that makes no sense."""
    for kind in ("match", "benign"):
        for index, sample in enumerate(getattr(shape.tests, kind)):
            path = ("tests", kind, index)
            failure = _try(rule, sample, kind == "match", groups, document, path)
            yield Outcome(f"{document.name}:{document.line(path)}", kind, failure)


def _try(
    rule: Rule,
    sample: dict[str, Any],
    wanted: bool,
    groups: Mapping[str, Group],
    document: Document,
    path: Path,
) -> str:
    if rule.rows:
        return _try_enforce(rule, sample, wanted, groups, document, path)
    try:
        fired = _fires(rule, sample)
    except (TypeError, ValueError, KeyError) as error:
        raise document.error(path, f"rule {rule.id}: this sample makes no sense: {error}") from error
    return "" if fired is wanted else _missed(wanted)


def _try_enforce(
    rule: Rule,
    sample: dict[str, Any],
    wanted: bool,
    groups: Mapping[str, Group],
    document: Document,
    path: Path,
) -> str:
    if unknown := sorted(set(sample) - _ENFORCE_KEYS):
        raise document.error(path, f'unknown key "{unknown[0]}" in a sample')
    try:
        act = Act(Act.parse(sample["act"]))
        stage, actor = Stage(Stage.parse(sample["stage"])), Actor(Actor.parse(sample["actor"]))
        action = Action.parse(sample["action"]) if "action" in sample else None
    except (KeyError, ValueError) as error:
        raise document.error(path, f"a sample needs stage, actor and act: {error}") from error
    policy = Policy("", "", (rule,), tuple(groups.values()))
    found = policy.decide(stage, actor, act, _groups(policy, act, sample), bool(sample.get("tainted")))
    if (found.rule is not None) is not wanted:
        return _missed(wanted)
    return "" if action is None or found.action is action else f"drew {found.action.word}, not {action.word}"


def _groups(policy: Policy, act: Act, sample: dict[str, Any]) -> tuple[str, ...]:
    target = dict(sample)
    for end in ("path", "to", "exe"):
        if isinstance(text := sample.get(end), str):
            home_or_project = {"~/": HOMES[0], "./": PROJECT}.get(text[:2])
            target[end] = f"{home_or_project}/{text[2:]}" if home_or_project else text
    return groups_of(policy, act, target, HOMES, PROJECT)


def _fires(rule: Rule, sample: dict[str, Any]) -> bool:
    from pratique.runs.detect import Sequence, compile_detect  # noqa: PLC0415  (`runs` owns the meaning of conditions)

    if rule.detect is not None:
        return compile_detect(rule.detect)(sample)
    if rule.sequence is None or set(sample) - _SEQUENCE_KEYS:
        raise ValueError(f"a sample of a sequence has {', '.join(sorted(_SEQUENCE_KEYS))}")
    sequence = Sequence(rule.sequence)
    return any([sequence.feed(event) for event in _repeated(sample)])  # noqa: C419  (every event must be fed)


def _repeated(sample: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for turn in range(int(sample.get("repeat", 1))):
        for event in sample["events"]:
            yield {"origin": 1, **event, "time": float(event["time"]) + turn * float(sample.get("every", 0))}


def _missed(wanted: bool) -> str:
    return "did not fire" if wanted else "fired"


def no_rule(rules: list[str], name: str) -> ConfigError:
    """The error for a rule that is not there."""
    near = [rule for rule in rules if name in rule] or rules
    return ConfigError(f'there is no rule "{name}"', f"there are {', '.join(near)}")
