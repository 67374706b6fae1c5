"""The smallest `[[allow]]` set that recorded acts of verified packages need, and why the rest is not learned.

What a run did is no proof that it should: secrets, persistence, brokers, programs with more rights and whatever
hides are left to a person, whatever the report says of them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from pydantic import ValidationError

from pratique.model import Identity
from pratique.policy import allows, globs, purls
from pratique.policy.documents import AllowShape
from pratique.policy.drafting import PATH_KEYS, Wanted, stanza
from pratique.policy.ground import Ground, groups_of
from pratique.policy.model import Allow, Rule
from pratique.policy.tried import Tried
from pratique.words import Act, Quality, Stage

HIDDEN = "***"
_HOST = re.compile(r"[A-Za-z0-9_.-]{1,253}\Z")
# Made anew in each run: an allow for such a name would never match again.
_TEMPORARY = re.compile(r"(?:/tmp|/var/tmp|/dev/shm)/|.*/(?:pip-(?:[a-z]+-)+|tmp)[a-z0-9_]{8}/", re.DOTALL)
_LONGEST = 4096

# Groups and families that nobody learns; the first that fits is told.
_NEVER = (
    ("net.metadata", "a metadata address hands out the machine's own credentials"),
    ("self", "it belongs to Pratique itself"),
    ("net.brokers", "a broker acts for others with more rights"),
    ("ipc", "a broker acts for others with more rights"),
    ("exe", "this program acts with more rights, later, or for others"),
    ("code.memfd", "an executable that hides"),
    ("code.deleted", "an executable that hides"),
    ("code.shm", "an executable that hides"),
    ("code.hidden-temp", "an executable that hides"),
)
_BY_HAND = "if you want it, write that allow by hand"
_SECRET = "WARNING: a secret; find out why the package needs it, then ask with --include-secrets"  # noqa: S105
_TAINTED = (
    "WARNING: it had read a secret before, and this is how one leaves; if it may, ask with --include-secrets"
)


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user asked for beyond the smallest."""

    any_version: bool = False
    include_secrets: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """Stanzas as TOML; what they permit; what is permitted already; and what is not proposed, with why."""

    stanzas: tuple[str, ...] = ()
    acts: tuple[Tried, ...] = ()
    known: tuple[Tried, ...] = ()
    left: tuple[tuple[Tried, str], ...] = ()


def learn(acts: Iterable[Tried], on: Ground, choices: Choices) -> Proposal:
    """Sort the acts out, and merge those that may be learned into stanzas."""
    taken: list[Tried] = []
    known: list[Tried] = []
    left: list[tuple[Tried, str]] = []
    wanted: dict[tuple[str, str, Stage], Wanted] = {}
    for act in acts:
        if why := _who(act) or _rule(act, on.rules.get(act.rule)):
            left.append((act, why))
        elif _permitted(act, on):
            known.append(act)
        elif why := _what(act, on, choices) or _name(act, choices):
            left.append((act, why))
        elif found := _object(act, on):
            _merge(wanted, act, found, choices)
            taken.append(act)
        else:
            left.append((act, "no allow can be written for this object"))
    stanzas = tuple(stanza(wanted[key], on) for key in sorted(wanted))
    return Proposal(stanzas, tuple(taken), tuple(known), tuple(left))


def appended(file: str, stanzas: Iterable[str]) -> str:
    """The file with the stanzas after its last line; what is there stays as it is."""
    gap = "" if not file or file.endswith("\n") else "\n"
    blank = "\n" if file.strip() else ""
    return f"{file}{gap}{blank}" + "\n".join(stanzas)


def _who(act: Tried) -> str:
    if act.actor != "package":
        return "not package code: nothing was refused, and no allow is needed"
    if act.identity.quality is Quality.CLAIMED:
        return "the name is only claimed by the code itself, and an allow matches verified packages alone"
    if act.identity.quality is not Quality.VERIFIED or act.identity.purl is None:
        return "it is unknown which package acted, and an allow matches verified packages alone"
    return ""


def _rule(act: Tried, rule: Rule | None) -> str:
    if rule is None:
        return f"there is no rule {act.rule} in force here, so nothing says whether it may be allowed"
    if rule.locked:
        return f"the rule {rule.id} is locked: no allow overrides it"
    if not rule.rows:
        return f"the rule {rule.id} only watches: no allow silences it"
    if act.act not in allows.KEYS:
        return f"{act.act.word} cannot be allowed; run the program outside the guard"
    return ""


def _what(act: Tried, on: Ground, choices: Choices) -> str:
    groups = {*act.groups, *groups_of(act, on)}
    for family, why in _NEVER:
        if _holds(groups, family):
            return f"{why}; {_BY_HAND}"
    if act.act is not Act.FILE_READ and _holds(groups, "persistence"):
        return f"code starts again from this place; {_BY_HAND}"
    if not _holds(groups, "secrets"):
        return _TAINTED if act.tainted and not choices.include_secrets else ""
    if act.act is not Act.FILE_READ:
        return f"a secret is kept there; {_BY_HAND}"
    return "" if choices.include_secrets else _SECRET


def _holds(groups: Iterable[str], family: str) -> bool:
    return any(group == family or group.startswith(f"{family}.") for group in groups)


def _name(act: Tried, choices: Choices) -> str:
    values = [str(act.target.get(key) or "") for key in ("path", "to", "exe", "name", "address")]
    if any(HIDDEN in value for value in values):
        return "part of its name was redacted"
    if act.remark:
        return act.remark
    if any(_TEMPORARY.match(value) for value in values):
        return "a temporary name, another one in each run"
    return "" if _package(act, choices) else "its package URL names no single version"


def _package(act: Tried, choices: Choices) -> str | None:
    """The exact purl, or with `any_version` its name; None when it would mean more than that."""
    purl = act.identity.purl or ""
    try:
        exact = purls.parse(purl)
        if exact.version is None or exact.is_range or exact.is_scope or not purls.covers(purl, purl):
            return None
        if not choices.any_version:
            return purl
        name = re.split("[?#]", purl, maxsplit=1)[0].rpartition("@")[0]
        wide = purls.parse(name)
    except ValueError:
        return None
    return name if (wide.type, wide.name, wide.version) == (exact.type, exact.name, None) else None


def _permitted(act: Tried, on: Ground) -> bool:
    held = allows.allows_for(on.policy, act.identity, act.stage)
    return any(allows.permits(allow, act.act, act.target, on.homes, on.project) for allow in held)


def _object(act: Tried, on: Ground) -> list[str]:
    """What the stanza must list for this act: the first spelling that the loader takes and that permits it."""
    key = allows.KEYS[act.act]
    for values in _spellings(act):
        patterns = [globs.escape(value) for value in values] if key in PATH_KEYS else values
        if _loads(act.identity, key, patterns):
            held: dict[str, Any] = {key: tuple(patterns)}
            allow = Allow(act.identity.purl or "", "learned", **held)
            if allows.permits(allow, act.act, act.target, on.homes, on.project):
                return values
    return []


def _spellings(act: Tried) -> Iterator[list[str]]:
    target = act.target
    if act.act not in (Act.NET_CONNECT, Act.NET_DNS):
        ends = ("exe", "path") if act.act is Act.EXEC else ("path", "to")
        yield list(dict.fromkeys(str(target[end]) for end in ends if target.get(end)))
        return
    name = str(target.get("name") or "").lower().rstrip(".")
    # A name comes from the network: one with a wildcard in it must not turn into a pattern.
    if not _HOST.match(name):
        name = ""
    if act.act is Act.NET_DNS:
        yield [name]
        return
    address = _plain_address(str(target.get("address") or ""))
    hosts = (name, address) if address else ()
    yield from ([_endpoint(host, target.get("port"))] for host in hosts if host)


def _plain_address(address: str) -> str:
    """A v4-mapped address as the v4 address that it is; empty for what is none."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    return str(getattr(found, "ipv4_mapped", None) or found)


def _endpoint(host: str, port: object) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _loads(identity: Identity, key: str, values: Sequence[str]) -> bool:
    more: dict[str, Any] = {key: list(values)}
    if identity.digest is not None:
        more["digest"] = identity.digest
    if not values or not all(map(_is_text, values)):
        return False
    try:
        AllowShape(package=identity.purl or "", reason="learned", **more)
    except ValidationError:
        return False
    return True


def _is_text(value: str) -> bool:
    return len(value) <= _LONGEST and not any("\ud800" <= char <= "\udfff" for char in value)


def _merge(
    wanted: dict[tuple[str, str, Stage], Wanted], act: Tried, values: list[str], choices: Choices
) -> None:
    package = _package(act, choices) or ""
    digest = None if choices.any_version else act.identity.digest
    stanza = wanted.setdefault((package, digest or "", act.stage), Wanted(package, digest, act.stage))
    stanza.objects.setdefault(allows.KEYS[act.act], set()).update(values)
    stanza.runs[act.run] = act.day
