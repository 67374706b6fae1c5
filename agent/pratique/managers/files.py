"""Reading files that others may have prepared: bounded, regular ones only, never waiting."""

import os
import stat
from io import BufferedReader

_NOT_OURS = ("/dev/", "/proc/")  # `-r <(…)` names a descriptor of pip: here it would be one of our own


def opened(path: str, *, follow: bool = False) -> BufferedReader:
    """A regular file, by default not through a link; OSError for anything else."""
    if path.startswith(_NOT_OURS):
        raise OSError(f"{path} is another process's")
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    file = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(f"{path} is no regular file")
    return file


def text(path: str, limit: int, *, follow: bool = False) -> str:
    """The first `limit` bytes of it; empty when it cannot be read."""
    try:
        with opened(path, follow=follow) as file:
            return file.read(limit).decode("utf-8", "surrogateescape")
    except (OSError, ValueError):
        return ""
