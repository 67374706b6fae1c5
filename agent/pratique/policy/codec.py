"""A Policy as JSON and back: what the cache holds. Only this version of Pratique reads what it wrote."""

import json
from collections.abc import Iterable
from typing import Any

from pratique.policy.model import Allow, Block, Group, Policy, Row, Rule, Source
from pratique.words import Act, Action, Actor, Stage

_FORMAT = 1


def encode(policy: Policy) -> str:
    """The policy as one line of JSON, the same for equal policies."""
    document = {
        "format": _FORMAT,
        "digest": policy.digest,
        "profile": policy.profile,
        "mode": policy.mode,
        "fail_on_incomplete": policy.fail_on_incomplete,
        "project_policy": policy.project_policy,
        "env_strip": policy.env_strip,
        "notes": policy.notes,
        "rules": [_fields(rule) | {"rows": [_row(row) for row in rule.rows]} for rule in policy.rules],
        "groups": [_fields(group) for group in policy.groups],
        "allows": [_fields(allow) for allow in policy.allows],
        "blocks": [_fields(block) for block in policy.blocks],
        "sources": [_fields(source) for source in policy.sources],
    }
    return json.dumps(document, separators=(",", ":"), sort_keys=True)


def decode(text: str) -> Policy:
    """The policy that `encode` wrote; `ValueError` when the text is anything else."""
    try:
        return _policy(json.loads(text))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no cached policy: {error!r}") from error


def _policy(document: dict[str, Any]) -> Policy:
    if document["format"] != _FORMAT:
        raise ValueError(f"cached policy has format {document['format']!r}, not {_FORMAT}")
    return Policy(
        digest=document["digest"],
        profile=document["profile"],
        mode=document["mode"],
        fail_on_incomplete=document["fail_on_incomplete"],
        project_policy=document["project_policy"],
        env_strip=tuple(document["env_strip"]),
        notes=tuple(document["notes"]),
        rules=tuple(_rule(each) for each in document["rules"]),
        groups=tuple(_group(each) for each in document["groups"]),
        allows=tuple(_allow(each) for each in document["allows"]),
        blocks=tuple(Block(**each) for each in document["blocks"]),
        sources=tuple(Source(**each) for each in document["sources"]),
    )


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record._fields}


def _row(row: Row) -> list[Any]:
    return [row.stages, row.actors, row.act, row.group, row.action, row.tainted]


def _rule(fields: dict[str, Any]) -> Rule:
    rows = [
        Row(_members(Stage, stages), _members(Actor, actors), Act(act), group, Action(action), tainted)
        for stages, actors, act, group, action, tainted in fields["rows"]
    ]
    return Rule(**_tuples(fields, "techniques", "false_positives") | {"rows": tuple(rows)})


def _group(fields: dict[str, Any]) -> Group:
    own = _members(Actor, fields["own_actors"])
    return Group(**_tuples(fields, "paths", "names", "cidrs", "ports", "static") | {"own_actors": own})


def _allow(fields: dict[str, Any]) -> Allow:
    stages = _members(Stage, fields["stages"])
    return Allow(**_tuples(fields, "connect", "dns", "read", "write", "exec", "ipc") | {"stages": stages})


def _members(words: Any, numbers: Iterable[int]) -> tuple[Any, ...]:
    return tuple(words(number) for number in numbers)


def _tuples(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return fields | {name: tuple(fields[name]) for name in names}
