"""Texts of rules and policy files → one Policy. As a program: the launcher's child, free to import.

`python -m pratique.policy.compile` reads `{profile, mode, files: [[path, kind, trusted, base64]]}` on stdin
and prints the encoded policy; on a mistake it prints `{what, mend}` and returns 65.
"""

import base64
import hashlib
import json
import sys
from collections.abc import Iterable, Sequence

from pratique.errors import ConfigError
from pratique.policy import codec
from pratique.policy.documents import ProfileShape
from pratique.policy.expand import expand, is_chosen
from pratique.policy.merge import Merged, merge
from pratique.policy.model import BLOCKED_HOST, Policy, Rule, Source
from pratique.policy.shipped import Shipped, no_profile, owners_allows, read_shipped
from pratique.policy.sources import Text
from pratique.words import Action

_WRONG_DATA = 65


def compile_policy(texts: Sequence[Text], profile: str | None = None, mode: str = "enforce") -> Policy:
    """What these texts put in force; a typed `profile` wins. `ConfigError` at the first mistake."""
    shipped = read_shipped(texts)
    merged = merge(texts, shipped.groups)
    chosen = _profile(shipped, profile or merged.profile)
    policy = Policy(
        digest="",
        profile=chosen.profile,
        rules=(*_rules(shipped, merged, chosen), *_capped(merged.rules, chosen), *_of_blocks(merged)),
        groups=tuple(merged.groups.values()),
        allows=(*merged.allows, *owners_allows(shipped)),
        sources=tuple(Source(text.path, text.digest, text.kind, text.trusted) for text in texts),
        fail_on_incomplete=merged.fail_on_incomplete or chosen.fail_on_incomplete,
        env_strip=tuple(dict.fromkeys([*chosen.env_strip, *merged.env_strip])),
        mode=mode,
        notes=tuple(merged.notes),
        blocks=tuple(merged.blocks),
        project_policy=merged.project_policy,
    )
    return policy._replace(digest=_digest(policy))


def check_rules(texts: Sequence[Text]) -> list[Rule]:
    """Every shipped rule, whatever its profile, expanded; `ConfigError` at the first mistake."""
    shipped = read_shipped(texts)
    owners_allows(shipped)
    return [expand(rule, document, shipped.groups) for rule, document in shipped.rules]


def _profile(shipped: Shipped, name: str) -> ProfileShape:
    if name not in shipped.profiles:
        raise no_profile(shipped.profiles, name)
    return shipped.profiles[name]


def _rules(shipped: Shipped, merged: Merged, profile: ProfileShape) -> list[Rule]:
    """Every rule is expanded, so that a mistake shows in each profile; the profile's own are kept."""
    expanded = [
        (rule, expand(rule, document, merged.groups, _cap(profile))) for rule, document in shipped.rules
    ]
    return [done for rule, done in expanded if is_chosen(rule, profile)]


def _of_blocks(merged: Merged) -> Iterable[Rule]:
    """No profile caps an emergency."""
    return [BLOCKED_HOST] if any(block.host for block in merged.blocks) else []


def _capped(rules: Sequence[Rule], profile: ProfileShape) -> list[Rule]:
    cap = _cap(profile)
    return [
        rule._replace(rows=tuple(row._replace(action=min(row.action, cap)) for row in rule.rows))
        for rule in rules
    ]


def _cap(profile: ProfileShape) -> Action:
    return Action.AUDIT if profile.cap == "audit" else Action.KILL


def _digest(policy: Policy) -> str:
    return f"sha256-{hashlib.sha256(codec.encode(policy).encode()).hexdigest()}"


def main() -> int:
    """Answer one question of the launcher."""
    question = json.load(sys.stdin)
    texts = [
        Text(path, kind, trusted, base64.b64decode(data)) for path, kind, trusted, data in question["files"]
    ]
    try:
        answer = codec.encode(compile_policy(texts, question["profile"], question["mode"]))
    except ConfigError as error:
        sys.stdout.write(json.dumps({"what": error.what, "mend": error.mend}))
        return _WRONG_DATA
    sys.stdout.write(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
