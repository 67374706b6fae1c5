"""The host's key and certificate: made here, kept in one file, and replaced in one step."""

import re
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pratique.errors import PratiqueError
from pratique.policy import trust

_LARGEST = 64 << 10
_ISSUED = re.compile(rb"issued=(\d{1,12})\n")
_SHARE = 2 / 3


class IdentityError(PratiqueError):
    """What a collector sent, or what lies here, is no certificate for this host's key."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A key, and a certificate for it."""

    key: bytes
    """PEM."""
    chain: bytes
    """PEM, the host's own first."""
    uri: str
    issued: float
    """When it was got, by the collector's clock: its own beginning may be dated back."""
    until: float

    @property
    def renew_at(self) -> float:
        """Two thirds through its life, by the collector's clock."""
        return self.issued + _SHARE * (self.until - self.issued)


def fresh() -> tuple[bytes, bytes]:
    """A new key (PEM) and a request for it (DER); the request names nobody: the collector does."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, request.public_bytes(serialization.Encoding.DER)


def identity(key: bytes, chain: bytes, issued: float) -> Identity:
    """The key with the chain that came for it; `IdentityError` unless they belong together and name a host."""
    if len(chain) > _LARGEST:
        raise IdentityError("the certificate is too large")
    try:
        own = x509.load_pem_x509_certificates(chain)[0]
        held = serialization.load_pem_private_key(key, password=None).public_key()
        if _public(held) != _public(own.public_key()):
            raise IdentityError("the certificate is for another key")
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uri = names.get_values_for_type(x509.UniformResourceIdentifier)[0]
    except (ValueError, TypeError, IndexError, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
        raise IdentityError(f"this is no certificate for a host: {error}") from error
    return Identity(key, chain, uri, issued, own.not_valid_after_utc.timestamp())


def _public(key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("the key is of another kind")
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def authorities(pem: bytes) -> bytes:
    """The same, once it is sure that these are certificates."""
    try:
        if len(pem) > _LARGEST or not x509.load_pem_x509_certificates(pem):
            raise IdentityError("no authority was sent")
    except ValueError as error:
        raise IdentityError(f"what was sent is no authority: {error}") from error
    return pem


def store(path: Path, held: Identity) -> None:
    """Write key and chain in one step: after a crash it is the old pair or the new one."""
    trust.write(path, b"issued=%d\n" % held.issued + held.key + held.chain)


def load(path: Path) -> Identity:
    """What `store` wrote."""
    data = path.read_bytes()
    found = _ISSUED.match(data)
    begin = data.find(b"-----BEGIN CERTIFICATE-----")
    if found is None or begin < 0:
        raise IdentityError(f"{path} is damaged", "enrol this host again")
    return identity(data[found.end() : begin], data[begin:], float(found[1]))
