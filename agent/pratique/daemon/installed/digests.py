"""The digest of an installed package's content, from what its manager notes of it."""

import hashlib
import re
from collections.abc import Iterable

_INTEGRITY = re.compile(r"sha(256|384|512)-[A-Za-z0-9+/]{20,100}={0,2}")
_NOTES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


def of_integrity(noted: object) -> str | None:
    """The strongest of the digests that npm had to meet; it lists several beside each other."""
    words = noted.split() if isinstance(noted, str) else []
    return max((word for word in words if _INTEGRITY.fullmatch(word)), default=None)


def of_record(rows: Iterable[list[str]]) -> str | None:
    """Of the files that came with the package, by their own digests: alike wherever the same wheel is installed.

    No record says the digest of the archive. What an installer adds (scripts, byte code, its own notes) is left out.
    """
    listed = sorted(f"{row[0]},{row[1]}" for row in rows if len(row) > 1 and row[1] and _came_along(row[0]))
    if not listed:
        return None
    lines = "\n".join(listed).encode("utf-8", "surrogateescape")
    return f"record-sha256-{hashlib.sha256(lines).hexdigest()}"


def _came_along(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    added = folder.endswith(".dist-info") and (name in _NOTES or name.startswith("uv_"))
    return not (added or path.startswith(("../", "/")) or name.endswith(".pyc"))
