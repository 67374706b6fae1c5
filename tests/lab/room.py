"""A private mount namespace for a command of the lab, in which names are answered by the lab's resolver."""

import shutil
from collections.abc import Sequence
from pathlib import Path

_BIND = 'mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/nsswitch.conf && shift 2 && exec "$@"'


class Room:
    """Puts commands into the room: each gets a mount namespace of its own that dies with it."""

    def __init__(self, folder: Path, resolver: str) -> None:
        self._resolv, self._switch = folder / "resolv.conf", folder / "nsswitch.conf"
        self._resolv.write_text(f"nameserver {resolver}\noptions timeout:1 attempts:1\n", encoding="utf-8")
        # A host that asks a daemon of its own for names would never come to the lab's resolver.
        self._switch.write_text("passwd: files\ngroup: files\nhosts: files dns\n", encoding="utf-8")

    def inside(self, command: Sequence[str]) -> list[str]:
        """Put the room before a command line."""
        unshare = shutil.which("unshare") or "/usr/bin/unshare"
        files = [str(self._resolv), str(self._switch)]
        return [unshare, "--mount", "sh", "-c", _BIND, "room", *files, *command]
