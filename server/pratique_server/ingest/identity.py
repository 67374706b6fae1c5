"""Who is asking: read from the certificate alone, and asked again at every call.

gRPC checks a certificate when a connection is made. A connection may outlive the certificate, or the day a host is
revoked, so both are looked at here, call by call.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography import x509

from pratique.api import names, wire
from pratique_server import moments
from pratique_server.errors import RefusedError
from pratique_server.store.enrolment import Denied

_NOBODY = Denied(frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class Peer:
    """A host, by the certificate it showed."""

    host: str
    serial: str
    not_before: int
    not_after: int


class Gate:
    """Lets enrolled hosts in, and only as themselves."""

    def __init__(self, domain: str, now: Callable[[], int] = moments.now) -> None:
        self._domain, self._now = domain, now
        self.denied = _NOBODY

    def peer(self, context: Any) -> Peer:
        """The host that calls; `RefusedError` when it may not."""
        shown = context.auth_context().get("x509_pem_cert")
        if not shown:
            raise RefusedError("no certificate was shown")
        peer = read(shown[0], self._domain)
        if not peer.not_before <= self._now() < peer.not_after:
            raise RefusedError("the certificate has expired", "enrol again, or renew in time")
        if peer.host in self.denied.hosts or peer.serial in self.denied.serials:
            raise RefusedError("the certificate was revoked")
        return peer


@lru_cache(maxsize=4096)
def read(pem: bytes, domain: str) -> Peer:
    """The host that a certificate names: by its one SPIFFE URI, never by anything else in it."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.InvalidVersion) as error:
        raise RefusedError("the certificate names no host") from error
    named = [name.value for name in found]
    if len(named) != 1 or not isinstance(next(iter(found)), x509.UniformResourceIdentifier):
        raise RefusedError("the certificate does not name exactly one host")
    try:
        host = names.host_of(named[0], domain)
    except wire.WireError as error:
        raise RefusedError("the certificate names no host of this domain") from error
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    lasts = [int(date.timestamp()) * moments.SECOND for date in (begin, end)]
    return Peer(host, f"{certificate.serial_number:x}", *lasts)
