"""Addresses behind the names of `connect` allows.

The kernel decides by address. A name is resolved here, by the agent, when its package starts: what the package's
own look-ups answer plays no part. Addresses shared by several names are a stated limit (docs/policy.md).
"""

import ipaddress
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from pratique.policy.allows import endpoints
from pratique.policy.model import Allow

DNS_PORT = 53
_RESOLV_CONF = Path("/etc/resolv.conf")


def resolve(allows: Sequence[Allow]) -> list[tuple[str, int]]:
    """(CIDR, port) pairs the allows stand for; with names among them, also the configured resolvers' port 53."""
    found: dict[tuple[str, int], None] = {}
    named = any(allow.dns for allow in allows)
    for host, port in (pair for allow in allows for pair in endpoints(allow)):
        if _is_network(host):
            found[host, port] = None
        else:
            named = True
            found |= dict.fromkeys((address, port) for address in _addresses(host, port))
    if named:
        found |= dict.fromkeys((address, DNS_PORT) for address in _resolvers())
    return list(found)


def _is_network(host: str) -> bool:
    try:
        ipaddress.ip_network(host, strict=False)
    except ValueError:
        return False
    return True


def _addresses(host: str, port: int) -> Iterator[str]:
    """Every address of the name; none for a wildcard or a name that does not resolve (it stays refused)."""
    if "*" in host:
        return
    try:
        answers = socket.getaddrinfo(host, port or None, type=socket.SOCK_STREAM)
    except OSError:
        return
    yield from (str(answer[4][0]) for answer in answers)


def _resolvers() -> Iterator[str]:
    try:
        lines = _RESOLV_CONF.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    yield from (words[1] for words in map(str.split, lines) if words[:1] == ["nameserver"] and len(words) > 1)
