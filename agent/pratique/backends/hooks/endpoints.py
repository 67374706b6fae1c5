"""Hosts of `connect` and `dns` allows, brought to what the kernel looks up: names, and addresses.

A name is judged by the kernel, in the package's own questions and by the answers it got. Only what the host itself
says of a name, in its hosts file, is turned into addresses here: no resolver is asked about that.
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path

from pratique import host as facts
from pratique.policy.allows import endpoints, matches_host
from pratique.policy.model import Allow

_HOSTS = Path("/etc/hosts")


def networks(allows: Sequence[Allow]) -> list[tuple[str, int]]:
    """(CIDR, port) pairs that the allows stand for without any question."""
    found: dict[tuple[str, int], None] = {}
    for host, port in (pair for allow in allows for pair in endpoints(allow)):
        addresses = [host] if _is_network(host) else _known(host)
        found |= dict.fromkeys((address, port) for address in addresses)
    return list(found)


def names(allows: Sequence[Allow]) -> Mapping[str, set[int]]:
    """Host patterns the allows speak of, each with every port at which what it names may be reached.

    The kernel takes the longest pattern alone, so a pattern has the ports of the wider ones, too.
    """
    given: dict[str, set[int]] = {}
    for allow in allows:
        for name in allow.dns:
            given.setdefault(name.lower().rstrip("."), set())
        for host, port in endpoints(allow):
            if not _is_network(host):
                given.setdefault(host, set()).add(port)
    return {
        pattern: {port for wider, ports in given.items() if matches_host(wider, pattern) for port in ports}
        for pattern in given
    }


def _known(host: str) -> Iterator[str]:
    """Addresses that the hosts file gives to the host."""
    for address, *aliases in facts.table(_HOSTS):
        if _is_network(address) and any(matches_host(host, alias) for alias in aliases):
            yield address


def _is_network(host: str) -> bool:
    try:
        ip_network(host, strict=False)
    except ValueError:
        return False
    return True
