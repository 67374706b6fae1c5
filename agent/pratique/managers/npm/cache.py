"""npm's content cache (cacache): which bytes a URL gave, by digest, as npm noted it when it fetched them.

This is what makes a name unforgeable: a lock file, a package's own `npm-shrinkwrap.json` or an alias may say
anything of where a digest comes from, and npm believes it as soon as the digest is in the cache. The index
entry under the registry's own URL is written by one thing only: npm having fetched that URL.
"""

import base64
import hashlib
import json
from collections.abc import Callable

from pratique.managers.files import text

_MAX_BUCKET = 1 << 20
_KEY = "make-fetch-happen:request-cache:"


def served(cache: str, url: str, digest: str, written: Callable[[str], bool]) -> bool:
    """Whether the URL gave exactly this content the last time npm fetched it."""
    return digest in given(cache, url, written)


def given(cache: str, url: str, written: Callable[[str], bool]) -> list[str]:
    """The digests of what the URL gave the last time npm fetched it; none if it never did."""
    key = _KEY + url
    name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
    bucket = f"{cache}/_cacache/index-v5/{name[:2]}/{name[2:4]}/{name[4:]}"
    if written(bucket):
        return []
    entries = [_entry(line) for line in text(bucket, _MAX_BUCKET).splitlines()]
    ours = [entry for entry in entries if entry.get("key") == key]
    return str(ours[-1].get("integrity")).split() if ours else []


def content(cache: str, digest: str) -> str:
    """The file that holds the content of a digest, whoever put it there: compare it before use."""
    name = base64.b64decode(digest.partition("-")[2]).hex()
    return f"{cache}/_cacache/content-v2/sha512/{name[:2]}/{name[2:4]}/{name[4:]}"


def _entry(line: str) -> dict[str, object]:
    checksum, _, body = line.partition("\t")
    if hashlib.sha1(body.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest() != checksum:
        return {}
    try:
        entry = json.loads(body)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
