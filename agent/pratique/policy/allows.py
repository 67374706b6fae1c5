"""What `[[allow]]` permits: matched by verified identity, never by a claimed name (docs/policy.md)."""

import time
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from pratique.model import Identity
from pratique.policy import globs, purls
from pratique.policy.addresses import in_network, is_network
from pratique.policy.model import Allow, Block, Policy
from pratique.policy.stanzas import KEYS, stanza
from pratique.words import Act, Quality, Stage

__all__ = [
    "KEYS",
    "allows_for",
    "blocked",
    "endpoints",
    "is_expired",
    "matches_host",
    "permits",
    "permits_name",
    "split_endpoint",
    "stanza",
]


# Most hosts are names; those are told apart without parsing them as addresses.
_FIRST_OF_AN_ADDRESS = frozenset("0123456789abcdefABCDEF:")


def allows_for(policy: Policy, identity: Identity, stage: Stage) -> list[Allow]:
    """The allows this package has in this stage, the most specific first; none unless it is verified."""
    if identity.quality is not Quality.VERIFIED or identity.purl is None:
        return []
    found = [allow for allow in policy.allows if _matches(allow, identity, stage)]
    return sorted(found, key=_specificity, reverse=True)


def blocked(policy: Policy, identity: Identity) -> Block | None:
    """The `[[block]]` that names this package or one it could be; a claimed name is enough to be refused."""
    return next((block for block in policy.blocks if _blocks(block, identity)), None)


def _blocks(block: Block, identity: Identity) -> bool:
    if block.digest is not None:
        return block.digest == identity.digest
    named = [identity.purl, *identity.candidates] if block.package else []
    return any(purls.covers(block.package, purl) for purl in named if purl)


def is_expired(allow: Allow) -> bool:
    """Whether its last day (UTC) is over."""
    return allow.expires is not None and allow.expires < time.strftime("%Y-%m-%d", time.gmtime())


def permits(
    allow: Allow, act: Act, target: Mapping[str, Any], homes: Sequence[str], project: str | None
) -> bool:
    """Whether the allow names this act on this object; a rename or link needs both of its ends named."""
    key = KEYS.get(act)
    if key is None:
        return False
    if key == "connect":
        return _permits_address(allow, target)
    if key == "dns":
        return permits_name(allow, str(target.get("name", "")))
    patterns: tuple[str, ...] = getattr(allow, key)
    paths = [target[end] for end in _ends(act) if target.get(end)]
    return bool(paths) and all(_named(patterns, path, homes, project) for path in paths)


def permits_name(allow: Allow, name: str) -> bool:
    """Whether the name may be asked for: listed in `dns`, or a host of `connect`."""
    hosts = [host for host, _ in endpoints(allow) if not _is_network(host)]
    return any(matches_host(pattern, name) for pattern in (*allow.dns, *hosts))


def endpoints(allow: Allow) -> list[tuple[str, int]]:
    """`connect` taken apart: (host pattern or CIDR, port)."""
    return [split_endpoint(text) for text in allow.connect]


def split_endpoint(text: str) -> tuple[str, int]:
    """`host:port`, `*.host:port`, `CIDR:port`, `[v6]:port`; `ValueError` says what is wrong."""
    host, mark, port = text.rpartition(":")
    if not mark or not port.isascii() or not port.isdigit() or not 0 < int(port) <= 65535:  # noqa: PLR2004
        raise ValueError(f"{text!r} needs a port, as in host.example.com:443")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not bare or (":" in bare and not _is_network(bare)):
        raise ValueError(
            f"{text!r} is no host, address or network with a port; write IPv6 as [2001:db8::1]:443"
        )
    return bare.lower().rstrip("."), int(port)


def _ends(act: Act) -> tuple[str, ...]:
    if act is Act.EXEC:
        return ("exe", "path")
    return ("path", "to")


def _named(patterns: Iterable[str], path: object, homes: Sequence[str], project: str | None) -> bool:
    return isinstance(path, str) and any(globs.matches(one, path, homes, project) for one in patterns)


def _permits_address(allow: Allow, target: Mapping[str, Any]) -> bool:
    return any(_reaches(host, target) for host, port in endpoints(allow) if port == target.get("port"))


def _reaches(host: str, target: Mapping[str, Any]) -> bool:
    if not _is_network(host):
        return bool(target.get("name")) and matches_host(host, str(target["name"]))
    return in_network(str(target.get("address", "")), host)


def matches_host(pattern: str, name: str) -> bool:
    """Whether the name, or what a pattern like it covers, is what the host pattern speaks of."""
    wanted, given = pattern.lower().rstrip("."), name.lower().rstrip(".")
    return bool(given) and (wanted == given or (wanted.startswith("*.") and fnmatchcase(given, wanted)))


def _is_network(host: str) -> bool:
    return host[:1] in _FIRST_OF_AN_ADDRESS and is_network(host)


def _matches(allow: Allow, identity: Identity, stage: Stage) -> bool:
    if allow.stages and stage not in allow.stages:
        return False
    if allow.digest is not None and allow.digest != identity.digest:
        return False
    return not is_expired(allow) and identity.purl is not None and purls.covers(allow.package, identity.purl)


def _specificity(allow: Allow) -> tuple[bool, int, bool]:
    return (allow.digest is not None, purls.specificity(allow.package), bool(allow.stages))
