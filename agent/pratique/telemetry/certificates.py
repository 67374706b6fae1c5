"""Keys, requests and certificates of the host; as a program: the uplink's child, which is big for a moment only.

`python -m pratique.telemetry.certificates fresh` prints `{key, request}`; `check` reads
`{key, chain, authorities, issued}` and prints `{uri, until}`, or `{problem}`. Binary values are base64.
"""

import json
import sys
from base64 import b64decode, b64encode
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pratique.telemetry.identity import Identity, IdentityError

_LARGEST = 64 << 10
# What the library raises over bytes that are no certificate, or one of a kind it does not know.
_WRONG = (
    ValueError,
    TypeError,
    IndexError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


def fresh() -> tuple[bytes, bytes]:
    """A new key (PEM) and a request for it (DER); the request names nobody: the collector does."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, request.public_bytes(serialization.Encoding.DER)


def checked(key: bytes, chain: bytes, issued: float) -> Identity:
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
    except _WRONG as error:
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
    except _WRONG as error:
        raise IdentityError(f"what was sent is no authority: {error}") from error
    return pem


def _fresh() -> dict[str, Any]:
    key, request = fresh()
    return {"key": _text(key), "request": _text(request)}


def _check() -> dict[str, Any]:
    asked = json.load(sys.stdin)
    key, chain, pem = (b64decode(asked[name]) for name in ("key", "chain", "authorities"))
    try:
        held = checked(key, chain, asked["issued"])
        authorities(pem)
    except IdentityError as error:
        return {"problem": str(error)}
    return {"uri": held.uri, "until": held.until}


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")


if __name__ == "__main__":
    print(json.dumps({"fresh": _fresh, "check": _check}[sys.argv[1]]()))  # noqa: T201 -- the answer to the parent
