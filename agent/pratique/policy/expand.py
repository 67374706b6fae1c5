"""A rule as written → a Rule whose rows a backend can look up; refuses what no backend can."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pratique.errors import ConfigError
from pratique.policy import mechanisms
from pratique.policy.documents import ProfileShape, RowShape, RuleShape
from pratique.policy.load import Document, Path
from pratique.policy.model import Group, Row, Rule
from pratique.words import Act, Action, Actor, Stage


def is_chosen(rule: RuleShape, profile: ProfileShape) -> bool:
    """Whether the profile holds the rule."""
    return rule.maturity in profile.maturity and (not rule.profiles or profile.profile in rule.profiles)


def expand(
    rule: RuleShape, document: Document, groups: Mapping[str, Group], cap: Action = Action.KILL
) -> Rule:
    """The rule with every group pattern resolved and no action above `cap`."""
    _check_form(rule, document)
    _check_detect(rule, document)
    return Rule(
        id=rule.id,
        title=rule.title,
        severity=rule.severity,
        explain=rule.explain.strip(),
        techniques=tuple(rule.techniques),
        description=rule.description.strip(),
        false_positives=tuple(rule.false_positives),
        maturity=rule.maturity,
        locked=rule.locked,
        rows=tuple(_rows(rule, document, groups, cap)),
        detect=_scoped(rule, rule.detect) if rule.detect is not None else None,
        sequence=_sequence(rule),
        source=f"{document.name}:{document.line(('id',))}",
    )


def _check_form(rule: RuleShape, document: Document) -> None:
    given = [key for key in ("enforce", "detect", "sequence") if getattr(rule, key)]
    if len(given) != 1:
        raise _error(rule, document, (), "needs exactly one of enforce, detect and sequence")
    if rule.locked and not rule.enforce:
        raise _error(rule, document, ("locked",), "only a rule with enforce can be locked")


def _check_detect(rule: RuleShape, document: Document) -> None:
    # Imported here: `runs` owns the meaning of conditions, and only a compiler asks for it.
    from pratique.runs.detect import Sequence, compile_detect  # noqa: PLC0415

    part = "detect" if rule.detect is not None else "sequence"
    try:
        if rule.detect is not None:
            compile_detect(_scoped(rule, rule.detect))
        elif sequence := _sequence(rule):
            Sequence(sequence)
    except ConfigError as error:
        raise _error(rule, document, (part,), str(error)) from error


def _rows(rule: RuleShape, document: Document, groups: Mapping[str, Group], cap: Action) -> Iterator[Row]:
    for index, row in enumerate(rule.enforce or []):
        path = ("enforce", index)
        names = _names(rule, document, (*path, "groups"), row, groups)
        actions = _actions(rule, row)
        for act in (Act.parse(word) for word in row.acts):
            for name in names:
                _check_lowerable(rule, document, (*path, "groups"), Act(act), groups.get(name), name)
                yield from _cells(rule, row, Act(act), groups.get(name), name, actions, cap)


def _cells(
    rule: RuleShape,
    row: RowShape,
    act: Act,
    group: Group | None,
    name: str,
    actions: Mapping[Action, list[Actor]],
    cap: Action,
) -> Iterator[Row]:
    stages = tuple(Stage[_member(word)] for word in row.stages or rule.stages)
    own = group.own_actors if group is not None else ()
    for action, wanted in actions.items():
        actors = tuple(actor for actor in wanted if actor not in own)
        if actors:
            yield Row(stages, actors, act, name, min(action, cap), row.tainted)


def _actions(rule: RuleShape, row: RowShape) -> dict[Action, list[Actor]]:
    """Actors by action: the row's own actors or the rule's, each with its action."""
    actors = row.actors or rule.actors
    given = dict.fromkeys(actors, row.action[""]) if "" in row.action else row.action
    found: dict[Action, list[Actor]] = {}
    for actor, action in given.items():
        found.setdefault(Action[_member(action)], []).append(Actor[_member(actor)])
    return found


def _names(
    rule: RuleShape, document: Document, path: Path, row: RowShape, groups: Mapping[str, Group]
) -> list[str]:
    without = {name for pattern in row.excepted for name in _matching(rule, document, path, pattern, groups)}
    named = [name for pattern in row.groups for name in _matching(rule, document, path, pattern, groups)]
    return [name for name in dict.fromkeys(named) if name not in without]


def _matching(
    rule: RuleShape, document: Document, path: Path, pattern: str, groups: Mapping[str, Group]
) -> Iterable[str]:
    if pattern == mechanisms.ANY:
        return [pattern]
    found = [
        name for name in groups if name == pattern or (pattern[-1] == "*" and name.startswith(pattern[:-1]))
    ]
    if not found:
        raise _error(rule, document, path, f'there is no group "{pattern}"')
    return found


def _check_lowerable(
    rule: RuleShape, document: Document, path: Path, act: Act, group: Group | None, name: str
) -> None:
    kind = group.kind if group is not None else mechanisms.ANY
    if mechanisms.lowerings(act, kind):
        return
    kinds = mechanisms.kinds(act)
    possible = (
        f"it can decide {act.word} on: {', '.join(kinds)}" if kinds else f"none can decide {act.word} at all"
    )
    what = f'group "{name}" (kind {kind})' if group is not None else "any object (*)"
    raise _error(rule, document, path, f"no backend can decide {act.word} on {what}; {possible}")


def _scoped(rule: RuleShape, conditions: Mapping[str, Any]) -> dict[str, Any]:
    """Conditions with the rule's stages and actors among them, so that they stand alone."""
    scoped: dict[str, Any] = {"actor|in": list(rule.actors)} if len(rule.actors) < len(Actor) else {}
    if len(rule.stages) < len(Stage):
        scoped["stage|in"] = list(rule.stages)
    return scoped | dict(conditions)


def _sequence(rule: RuleShape) -> dict[str, Any] | None:
    if rule.sequence is None:
        return None
    return rule.sequence.model_dump() | {"steps": [_scoped(rule, step) for step in rule.sequence.steps]}


def _member(word: str) -> str:
    return word.upper().replace(".", "_").replace("-", "_")


def _error(rule: RuleShape, document: Document, path: Path, why: str) -> ConfigError:
    return document.error(path, f"rule {rule.id}: {why}")
