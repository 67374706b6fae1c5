"""Names of hosts in certificates: `spiffe://<domain>/host/<id>`."""

import re

from pratique.api.wire import WireError

DOMAIN = "pratique.internal"
"""The trust domain of a collector that was given no other."""

_ID = r"[a-z0-9][a-z0-9-]{0,62}"
_NAME = re.compile(
    rf"spiffe://(?P<domain>[a-z0-9](?:[a-z0-9.-]{{0,252}}[a-z0-9])?)/host/(?P<host>{_ID})", re.ASCII
)


def host_uri(domain: str, host_id: str) -> str:
    """The URI that names the host; `WireError` if domain or id cannot stand in one."""
    uri = f"spiffe://{domain}/host/{host_id}"
    host_of(uri, domain)
    return uri


def host_of(uri: str, domain: str) -> str:
    """The id of the host that `uri` names in `domain`; `WireError` for everything else."""
    found = _NAME.fullmatch(uri)
    if found is None or found["domain"] != domain:
        raise WireError("this names no host of this domain")
    return found["host"]
