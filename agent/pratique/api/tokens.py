"""Join tokens: a secret that is used once, and the digest of the authority it belongs to.

`pj1.<secret>.<sha256>`, both parts base64url without padding: one word that can be copied, and that says by its
beginning what it is, so that searches for leaked secrets find it.
"""

import binascii
import hashlib
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from pratique.api.wire import WireError

_PREFIX = "pj1"
_SIZE = 32
_LONGEST = 200


@dataclass(frozen=True, slots=True, repr=False)
class JoinToken:
    """What an administrator gives to a host that shall join."""

    secret: bytes
    """32 random bytes; the collector keeps only `secret_digest`."""
    authority: bytes
    """SHA-256 of the authority's certificate, DER."""

    @classmethod
    def make(cls, authority_der: bytes) -> "JoinToken":
        """A fresh token for the authority with this certificate."""
        return cls(os.urandom(_SIZE), hashlib.sha256(authority_der).digest())

    @classmethod
    def parse(cls, text: str) -> "JoinToken":
        """Read what `str()` wrote; `WireError` if it is not that."""
        parts = text.strip().split(".") if len(text) <= _LONGEST else []
        if len(parts) != 3 or parts[0] != _PREFIX:  # noqa: PLR2004 -- the three parts of the format
            raise WireError("this is no join token")
        secret, authority = _bytes(parts[1]), _bytes(parts[2])
        if len(secret) != _SIZE or len(authority) != _SIZE:
            raise WireError("this is no join token")
        return cls(secret, authority)

    def __str__(self) -> str:
        return f"{_PREFIX}.{_text(self.secret)}.{_text(self.authority)}"

    def __repr__(self) -> str:
        return "JoinToken(***)"

    @property
    def secret_digest(self) -> str:
        """SHA-256 of the secret, hexadecimal: what the collector stores and looks up."""
        return secret_digest(self.secret)


def secret_digest(secret: bytes) -> str:
    """How a collector knows a secret again without keeping it."""
    return hashlib.sha256(secret).hexdigest()


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError):
        raise WireError("this is no join token") from None
    if _text(data) != text:  # one spelling only: what is not base64url is skipped silently otherwise
        raise WireError("this is no join token")
    return data
