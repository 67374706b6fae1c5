"""The host's key and certificate as they lie on disk: one file, replaced in one step.

Light: what was learnt of the certificate when it came stands beside it, so that an uplink need not hold a library
of ten megabytes for a look at it. `certificates` makes and checks them.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from pratique.errors import PratiqueError
from pratique.policy import trust

_SHARE = 2 / 3
_BEGIN = b"-----BEGIN CERTIFICATE-----"


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


def store(path: Path, held: Identity) -> None:
    """Write key and chain in one step: after a crash it is the old pair or the new one."""
    about = {"uri": held.uri, "issued": held.issued, "until": held.until}
    trust.write(path, json.dumps(about).encode() + b"\n" + held.key + held.chain)


def load(path: Path) -> Identity:
    """What `store` wrote."""
    try:
        about, _, pems = path.read_bytes().partition(b"\n")
        begin = pems.find(_BEGIN)
        if begin <= 0:
            raise ValueError("it holds no certificate")
        known = json.loads(about)
        return Identity(
            pems[:begin], pems[begin:], str(known["uri"]), float(known["issued"]), float(known["until"])
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IdentityError(f"{path} cannot be used: {error}", "enrol this host again") from error
