"""Addresses that an origin's allows stand for: names are resolved by the agent when their package starts.

What the package's own look-ups answer plays no part. Who has an allow with a name may ask the configured
resolvers, and of them anything: without privilege nobody reads questions on a connected socket.
"""

import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress

from pratique.policy.addresses import is_network
from pratique.policy.allows import endpoints
from pratique.policy.model import Allow

_DNS = 53
_RESOLVERS = "/etc/resolv.conf"


def resolve(allows: Sequence[Allow]) -> list[tuple[str, int]]:
    """(network, port) pairs; a wildcard stands for none, nor does a name that does not resolve."""
    wanted = dict.fromkeys(pair for allow in allows for pair in endpoints(allow))
    named = any(allow.dns for allow in allows) or any(not is_network(host) for host, _ in wanted)
    pairs = [(address, port) for host, port in wanted for address in _addresses(host, port)]
    asked = [(address, _DNS) for address in _resolvers()] if named else []
    return list(dict.fromkeys([*pairs, *asked]))


def _addresses(host: str, port: int) -> Iterator[str]:
    if is_network(host):
        yield host
    elif "*" not in host:
        with suppress(OSError):
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            yield from (str(answer[4][0]) for answer in answers)


def _resolvers() -> Iterator[str]:
    with suppress(OSError), open(_RESOLVERS, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        for words in map(str.split, file):
            if words[:1] == ["nameserver"] and len(words) > 1 and is_network(words[1]):
                yield words[1]
