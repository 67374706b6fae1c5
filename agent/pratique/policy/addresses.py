"""Questions about addresses and networks as text; v4-mapped addresses count as v4."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network


def is_network(text: str) -> bool:
    """Whether the text is an address or a network."""
    return _network(text) is not None


def in_network(address: str, network: str) -> bool:
    """Whether the address lies in the network; what is no address lies in none."""
    wanted = _network(network)
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return wanted is not None and (getattr(found, "ipv4_mapped", None) or found) in wanted


def prefix_length(network: str) -> int:
    """Bits of the prefix, to find the longest; -1 for what is no network."""
    wanted = _network(network)
    return -1 if wanted is None else wanted.prefixlen


@lru_cache(maxsize=4096)
def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
