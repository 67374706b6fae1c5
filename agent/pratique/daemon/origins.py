"""Origins as the daemon remembers them over a restart."""

from collections.abc import Mapping
from typing import Any

from pratique.model import Identity, Settlement
from pratique.runs.attribution import Origin
from pratique.words import Actor, Quality, Stage


def origin_facts(origin: Origin) -> dict[str, Any]:
    """What is remembered of an origin over a restart."""
    identity = origin.settlement.identity
    return {
        "pid": origin.pid,
        "argv": list(origin.argv),
        "cwd": origin.cwd,
        "manager": origin.manager,
        "actor": int(origin.settlement.actor),
        "stage": int(origin.settlement.stage),
        "identity": [int(identity.quality), *identity[1:]],
    }


def origin_of(number: int, facts: Mapping[str, Any]) -> Origin:
    """The reverse of `origin_facts`."""
    quality, purl, source, digest, direct, candidates = facts["identity"]
    identity = Identity(Quality(quality), purl, source, digest, direct, tuple(candidates))
    settlement = Settlement(Actor(facts["actor"]), Stage(facts["stage"]), identity, new_origin=True)
    return Origin(number, facts["pid"], tuple(facts["argv"]), facts["cwd"], facts["manager"], settlement)
