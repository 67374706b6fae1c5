"""Which package a place's code is, from what the manager's own state proves of it (docs/policy.md section 2)."""

from dataclasses import dataclass

from pratique.managers.base import Context, Stopped
from pratique.managers.node.environment import Script
from pratique.managers.node.memory import Memory, Request
from pratique.managers.node.places import Place
from pratique.managers.node.purls import purl, source
from pratique.managers.node.registries import public
from pratique.model import UNKNOWN, Identity
from pratique.words import Quality


@dataclass(frozen=True, slots=True)
class Case:
    """One process that a manager started in a place of a package's, and all there is to judge it by."""

    place: Place
    script: Script
    """With an empty event where it is no script, but a program that was fetched to be run."""
    child: Stopped
    context: Context
    memory: Memory
    request: Request


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


def identity(case: Case, proof: Proof) -> tuple[Identity, str]:
    """Identity of the code in a place of one of the manager's trees, and why."""
    names = {case.place.name, proof.name}
    direct = bool(names & case.request.wanted) or (None if case.request.unnamed else False)
    address = public(proof.url) if proof.url else None
    if proof.doubt is None and proof.name:
        found = Identity(Quality.VERIFIED, proof.purl(), address, proof.digest, direct)
        return found, proof.why
    first, *others = _claimed(case.place, case.script, proof)
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
