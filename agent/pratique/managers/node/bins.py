"""What `npm exec` and `npx` run at the end: the program asked for, found as the shell will find it.

Such a process is started with the environment of the *user's* package.json; only the path says whose code it is.
"""

import os
import re
from collections.abc import Mapping

_QUOTED = re.compile(r"'((?:[^']|'\\'')*)'|\"([^\"$`\\]*)\"|([\w@%+=:,./-]+)")
_SIMPLE = re.compile(r"[\w@%+=:,./ -]*")
_OWN_END = "/node-gyp-bin"
"""npm puts its own folders before this one in PATH, what was there before after it."""


def program(script: str) -> str | None:
    """The first word of the command, as npm quotes it."""
    found = _QUOTED.match(script)
    if not found:
        return None
    return (found[1] or "").replace("'\\''", "'") or found[2] or found[3] or None


def is_one_command(script: str) -> bool:
    """Whether it is a single program, so that its package is the one to name."""
    return script.startswith("'") or _SIMPLE.fullmatch(script) is not None


def find(name: str, environment: Mapping[str, str], cwd: str) -> str | None:
    """The real file a shell will run for `name`, if it is in one of the folders that npm added to PATH."""
    if "/" in name:
        return os.path.realpath(os.path.join(cwd, name))  # noqa: PTH118
    for folder in environment.get("PATH", "").split(":"):
        path = f"{folder}/{name}"
        if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113
            return os.path.realpath(path)
        if folder.endswith(_OWN_END):
            return None
    return None
