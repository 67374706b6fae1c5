"""The name uv gives an index in its cache: a 64-bit SeaHash of its canonical URL, as hexadecimal digits.

By it alone a directory of the cache tells which index it belongs to. It is no cryptographic hash: it serves
to compare with the indexes that are configured, never to prove a URL.
"""

from urllib.parse import urlsplit, urlunsplit

_MASK = (1 << 64) - 1
_PRIME = 0x6EED0E9DA4D94A4F
_START = (0x16F11FE89B0D677C, 0xB480A793D8E6C86C, 0x6FE2E5AAF078EBC9, 0x14F994A4C5259381)
_STRING_END = b"\xff"  # what Rust adds when it hashes a string
_DEFAULT_PORTS = {"http": 80, "https": 443}


def index_key(url: str) -> str:
    """The directory below `index/` in which uv keeps what comes from this index."""
    return _seahash(canonical_url(url).encode("utf-8", "surrogateescape") + _STRING_END)


def canonical_url(url: str) -> str:
    """Without user info, default port and one trailing slash; scheme and host in lower case."""
    parts = urlsplit(url)
    if not parts.hostname:
        return url
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port
    shown = f"{host}:{port}" if port and port != _DEFAULT_PORTS.get(parts.scheme) else host
    path = parts.path.removesuffix("/") or "/"
    return urlunsplit((parts.scheme, shown, path, parts.query, parts.fragment))


def _seahash(data: bytes) -> str:
    a, b, c, d = _START
    for index in range(0, len(data), 8):
        word = int.from_bytes(data[index : index + 8], "little")
        a, b, c, d = b, c, d, _diffuse(a ^ word)
    return _diffuse(a ^ b ^ c ^ d ^ len(data)).to_bytes(8, "little").hex()


def _diffuse(word: int) -> int:
    word = word * _PRIME & _MASK
    word ^= (word >> 32) >> (word >> 60)
    return word * _PRIME & _MASK
