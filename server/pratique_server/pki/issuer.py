"""What the collector needs of a certificate authority."""

from dataclasses import dataclass
from typing import Protocol

from pratique_server.store.enrolment import Certificate


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate for a host, and what leads from it to the authority."""

    chain: bytes
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Keyed:
    """A certificate with its private key, both PEM: what a server shows."""

    key: bytes
    chain: bytes
    renew_at: int


class Issuer(Protocol):
    """Signs what hosts ask for, under names the collector chooses."""

    @property
    def authorities(self) -> bytes:
        """The certificates, PEM, that lead to everything this issuer signs."""

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the authority's certificate, DER: what a join token carries."""

    def for_host(self, request: bytes, uri: str) -> Issued:
        """A certificate that says `uri` and nothing else of the PKCS#10 `request` (DER) but its key."""

    def for_server(self, names: tuple[str, ...]) -> Keyed:
        """A certificate and key for a server that is reached by these names and addresses."""
