"""Places that come into being in mid-run: new homes, and folders on the way to a listed place."""

import os
import time
from collections.abc import Sequence

from pratique import host
from pratique.policy.globs import is_magic
from pratique.policy.lower import FilePlan

_SECONDS = 1.0


class Renewal:
    """Looks, once a second at most, whether something is there now that the tables do not know."""

    def __init__(self, homes: Sequence[str], files: FilePlan) -> None:
        self._next = 0.0
        self.plan(homes, files)

    def plan(self, homes: Sequence[str], files: FilePlan) -> None:
        """Take note of what the tables know from now on."""
        self._homes = list(homes)
        paths = dict.fromkeys(place.path for place in (*files.unmade, *files.create))
        self._missing = [path for path in paths if not is_magic(path) and not os.path.lexists(path)]

    def due(self) -> list[str] | None:
        """The homes there are now, if it is time to plan again; else None."""
        now = time.monotonic()
        if now < self._next:
            return None
        self._next = now + _SECONDS
        homes = [*self._homes, *host.homes_beside(self._homes)]
        changed = len(homes) > len(self._homes) or any(map(os.path.lexists, self._missing))
        return homes if changed else None
