"""What managers note down, read: bounded, regular files only, never through a link, and only if the install wrote it.

Who writes a place may be hostile: a name there may be a link, a pipe, or a file of any size.
"""

import json
import os
from typing import Any

from pratique.managers.files import opened


def changed(path: str, since: float) -> bool:
    """Whether it is there and changed then or later: by ctime, which no call sets back. A link is what it is."""
    try:
        return os.stat(path, follow_symlinks=False).st_ctime >= since  # noqa: PTH116 (no Path per package)
    except (OSError, ValueError):
        return False


def text(path: str, limit: int, since: float = 0.0) -> str:
    """The first `limit` bytes; empty when it cannot be read or did not change since then."""
    try:
        with opened(path) as file:
            late = os.fstat(file.fileno()).st_ctime >= since
            return file.read(limit).decode("utf-8", "surrogateescape") if late else ""
    except (OSError, ValueError):
        return ""


def table(content: str) -> dict[str, Any]:
    """A JSON object; empty for anything else."""
    try:
        found = json.loads(content) if content else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
