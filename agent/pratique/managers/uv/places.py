"""The directories uv unpacks sources into: their paths say what they hold, where uv chose them itself."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from pratique.managers.base import Stopped
from pratique.managers.uv.config import Config
from pratique.managers.uv.facts import facts

_BUILD_DIRECTORY = "UV_INTERNAL__BUILD_DIR"


@dataclass(frozen=True, slots=True)
class Place:
    """A source that uv unpacked or checked out."""

    root: str
    cache: str
    kind: str
    """`pypi`, `index`, `url`, `path` or `git`."""
    name: str | None = None
    version: str | None = None
    index: str | None = None
    id: str = ""

    @property
    def revision(self) -> str:
        """The directory of the revision, in which uv notes what it took."""
        return str(Path(self.root).parent.parent)


def place_of(cwd: str, config: Config) -> Place | None:
    """The source a process works in; None if the directory is none that this command's uv made."""
    if found := facts().source.match(cwd):
        kind = (found["direct"] or found["kind"]).partition("/")[0]
        place = Place(
            found[0], found["cache"], kind, found["name"], found["version"], found["index"], found["id"]
        )
        return place if is_cache(place.cache, config) else None
    if found := facts().checkout.match(cwd):
        return Place(found[0], found["cache"], "git") if is_cache(found["cache"], config) else None
    return None


def is_cache(path: str, config: Config) -> bool:
    """Whether the path is the root of the cache this command uses, whatever its children were told."""
    if config.temporary is None:
        return path == config.cache
    held = Path(path)
    made = str(held.parent) == config.temporary and facts().temporary.fullmatch(held.name) is not None
    return made and closed(path, config.user)


def closed(path: str, user: int) -> bool:
    """Whether it is a directory, no link, of the user's or root's, in which not everybody may put things.

    A group may: where each user has a group of their own, everything is made so.
    """
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid in (0, user) and not status.st_mode & 0o002


def build_environment(child: Stopped) -> str:
    """The isolated environment uv made for one source: it ties a process to it whatever its cwd became."""
    found = facts().environment.match(child.argv[0] if child.argv else "")
    return found[0] if found else ""


def intended(child: Stopped, manager: Stopped) -> str | None:
    """The source uv itself says it is building; None if it says nothing or somebody else said it."""
    said = child.environment.get(_BUILD_DIRECTORY)
    return said if said and said != manager.environment.get(_BUILD_DIRECTORY) else None


def strayed(child: Stopped, manager: Stopped) -> bool:
    """Whether it works elsewhere than uv meant it to: a link or another directory was put there.

    Links above the cache and to directories of the user's are the user's; inside the cache uv makes none.
    """
    said = intended(child, manager)
    if said is None:
        return False
    kinds = (facts().source, facts().checkout, facts().built)
    found = next((match for match in (kind.match(said) for kind in kinds) if match), None)
    cache = found["cache"] if found else said
    return os.path.realpath(cache) + said[len(cache) :] != child.cwd
