"""Digests as reports write them (`sha256-<hex>`, `sha512-<base64>`) → algorithm and hexadecimal."""

import binascii
from base64 import b64decode

_SIZES = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}


def hexadecimal(digest: str) -> tuple[str, str]:
    """Name of the algorithm and the digest in hexadecimal; both empty for what is no digest."""
    name, _, value = digest.partition("-")
    size = _SIZES.get(name, 0)
    for read in (bytes.fromhex, lambda text: b64decode(text, validate=True)):
        try:
            data = read(value)
        except (ValueError, binascii.Error):
            continue
        if size and len(data) == size:
            return name, data.hex()
    return "", ""
