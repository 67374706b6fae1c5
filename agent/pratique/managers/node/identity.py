"""Which package a place's code is, from what the manager's own state proves of it (docs/policy.md section 2)."""

from dataclasses import dataclass

from pratique.managers.node.environment import Script
from pratique.managers.node.memory import Request
from pratique.managers.node.places import Place
from pratique.managers.node.purls import purl, source
from pratique.managers.node.registries import public
from pratique.model import UNKNOWN, Identity
from pratique.words import Quality


@dataclass(frozen=True, slots=True)
class Proof:
    """What the manager's own state says of a place: the package by the registry's name, or why it does not."""

    name: str | None = None
    version: str | None = None
    url: str | None = None
    digest: str | None = None
    doubt: str | None = None
    """The first reason not to believe it; None: verified."""
    why: str = ""

    def purl(self) -> str | None:
        """The package."""
        return purl(self.name, self.version) if self.name else None


def identity(place: Place, script: Script, proof: Proof, request: Request) -> tuple[Identity, str]:
    """Identity of the code in a place of one of the manager's trees, and why."""
    names = {place.name, proof.name}
    direct = bool(names & request.wanted) or (None if request.unnamed else False)
    address = public(proof.url) if proof.url else None
    if proof.doubt is None and proof.name:
        found = Identity(Quality.VERIFIED, proof.purl(), address, proof.digest, direct)
        return found, proof.why
    first, *others = _claimed(place, script, proof)
    return Identity(
        Quality.CLAIMED, first, address, proof.digest, direct, tuple(others)
    ), proof.doubt or "unproved"


def astray(script: Script, reason: str) -> tuple[Identity, str]:
    """Nobody knows whose code it is; what it calls itself is only a candidate."""
    found = (purl(script.name, script.version),) if script.name else ()
    return UNKNOWN._replace(candidates=found), reason


def _claimed(place: Place, script: Script, proof: Proof) -> list[str]:
    """The purl by the name of its place, then what else it could be."""
    own = script.name in (None, place.name)
    origin = source(proof.url or "")
    kind = "vcs_url" if origin.startswith("git") else "download_url"
    first = proof.purl() or purl(place.name, script.version if own else None, **{kind: origin})
    named = purl(str(script.name), script.version) if script.name else first
    return list(dict.fromkeys((first, *([] if own else [named]))))
