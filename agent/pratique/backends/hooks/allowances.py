"""What an origin's allows let it use, brought to what the kernel looks up: objects by key, the rest by path."""

import os
from collections.abc import Iterator, Sequence

from pratique.backends.hooks import mirrors
from pratique.backends.hooks.probes import Probes
from pratique.policy import globs
from pratique.policy.allows import permits
from pratique.policy.lower import FilePlan
from pratique.policy.model import Allow
from pratique.policy.places import Place
from pratique.words import Act

# No pattern but one that ends in `/**` matches this below a directory.
_BELOW = "/\1/\1/\1"


class Allowances:
    """Grants for one host: its homes, project and guarded places."""

    def __init__(
        self, probes: Probes, files: FilePlan, homes: Sequence[str], project: str, hidden: Sequence[str]
    ) -> None:
        """`hidden`: directories in which the kernel minds what is executed."""
        self.files = files
        self._probes = probes
        self._homes, self._project, self._hidden = homes, project, tuple(hidden)

    def grant(self, origin: int, allows: Sequence[Allow]) -> list[str]:
        """Give them to the tree of `origin`; one line for each pattern that the kernel cannot look up."""
        gaps: list[str] = []
        for allow in allows:
            self._objects(origin, allow)
            self._patterns(origin, allow.write, mirrors.ALLOWED_WRITE)
            self._patterns(origin, allow.read, mirrors.ALLOWED_READ)
            gaps += self._programs(origin, allow)
        return gaps

    def _objects(self, origin: int, allow: Allow) -> None:
        kinds = (
            (self.files.read, Act.FILE_READ, allow.read, mirrors.ALLOWED_READ),
            (self.files.write, Act.FILE_WRITE, allow.write, mirrors.ALLOWED_WRITE),
            (self.files.ipc, Act.IPC_CONNECT, allow.ipc, mirrors.ALLOWED_IPC),
        )
        for places, act, patterns, use in kinds:
            for place in places if patterns else ():
                if place.exists and self._covers(allow, act, place):
                    self._probes.allow_file(origin, place.path, use)
        for path in filter(None, map(globs.literal, self._anchored(allow.ipc))):
            self._probes.allow_file(origin, path, mirrors.ALLOWED_IPC)

    def _covers(self, allow: Allow, act: Act, place: Place) -> bool:
        path = place.path + (_BELOW if place.is_dir else "")
        return permits(allow, act, {"path": path}, self._homes, self._project)

    def _patterns(self, origin: int, patterns: Sequence[str], use: int) -> None:
        """Files by name, folders with all below them."""
        for pattern in self._anchored(patterns):
            folder = globs.literal(pattern.removesuffix("/**"))
            if pattern.endswith("/**") and folder is not None:
                self._probes.allow_file(origin, folder, use)
            else:
                self._by_path(origin, pattern, use)

    def _programs(self, origin: int, allow: Allow) -> Iterator[str]:
        for pattern in self._anchored(allow.exec):
            if not self._by_path(origin, pattern, mirrors.ALLOWED_EXEC) and self._is_minded(pattern):
                yield (
                    f"{allow.source}: {pattern}: an executable in shared memory, or hidden in a temporary directory, "
                    "can only be allowed by its full path or as DIRECTORY/*"
                )

    def _by_path(self, origin: int, pattern: str, use: int) -> bool:
        folder, _, name = pattern.rpartition("/")
        children = name == "*"
        path = globs.literal(folder if children else pattern)
        if path is None:
            return False
        parent, leaf = (path, "") if children else os.path.split(path)
        resolved = f"{os.path.realpath(parent or '/')}/{leaf}"
        return self._probes.allow_path(origin, resolved, use, children=children)

    def _is_minded(self, pattern: str) -> bool:
        fixed = pattern.split("*", 1)[0]
        return any(
            fixed.startswith(f"{folder}/") or f"{folder}/".startswith(fixed) for folder in self._hidden
        )

    def _anchored(self, patterns: Sequence[str]) -> Iterator[str]:
        for pattern in patterns:
            yield from globs.anchored(pattern, self._homes, self._project)
