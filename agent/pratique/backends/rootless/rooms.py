"""Folders made before the rules are: what installs usually make first must lie under a rule of its own.

To execute a program, the kernel asks Landlock for the right to read it, and nobody can open it in the caller's
place. So where a secret makes a home, a project or the temporary directory grey, the folders that installs fill
with programs are made beforehand; those that stayed empty are removed again.
"""

import os
from contextlib import suppress

from pratique.backends.rootless.zones import Zones

_OF_HOMES = (".cache", ".npm", ".local", ".local/bin", ".config")
# Where installs keep the programs that they fetch from their vendors.
_OF_CACHES = ("Cypress", "electron", "ms-playwright", "node-gyp", "prisma", "puppeteer", "selenium", "uv")
_OF_PROJECTS = {
    "package.json": ("node_modules",),
    "pyproject.toml": (".venv", "build"),
    "setup.py": (".venv", "build"),
    "requirements.txt": (".venv",),
}


class Rooms:
    """The folders made for one run."""

    def __init__(self) -> None:
        self._made: list[str] = []
        self._temporary: str | None = None

    def of_home(self, home: str) -> None:
        """Make the usual folders of a home; before the places are looked for, since some lie in them."""
        if home.startswith("/"):
            for name in (*_OF_HOMES, *(f".cache/{name}" for name in _OF_CACHES)):
                self._make(f"{os.path.realpath(home)}/{name}")

    def of_project(self, project: str, zones: Zones) -> None:
        """Make what installs fill, where it would be grey."""
        base = os.path.realpath(project)
        if zones.is_free(base, read=True, write=True) or not zones.bounded:
            return
        marked = (names for mark, names in _OF_PROJECTS.items() if os.path.lexists(f"{base}/{mark}"))
        for name in dict.fromkeys(name for names in marked for name in names):
            if self._make(f"{base}/{name}"):
                zones.add(f"{base}/{name}")

    def temporary(self, named: str, zones: Zones) -> str | None:
        """Make a temporary directory in place of one that is grey; None when that one is free."""
        place = os.path.realpath(named)
        free = zones.is_free(place, read=True, write=True) or not zones.bounded
        if free or not os.access(place, os.W_OK):
            return None
        self._temporary = f"{place}/pratique-{os.urandom(6).hex()}"
        os.mkdir(self._temporary, 0o700)  # noqa: PTH102
        zones.add(self._temporary)
        return self._temporary

    def close(self) -> None:
        """Remove what is empty, and the temporary directory with all that was left in it."""
        for folder in reversed(self._made):
            with suppress(OSError):
                os.rmdir(folder)  # noqa: PTH106  (a start-up path)
        if self._temporary is not None:
            from shutil import rmtree  # noqa: PLC0415 -- after the command

            rmtree(self._temporary, ignore_errors=True)

    def _make(self, folder: str) -> bool:
        try:
            os.mkdir(folder, 0o755)  # noqa: PTH102
        except OSError:
            return False
        self._made.append(folder)
        return True
