"""What an install wrote, read from the managers' own records after it: packages, their directories and files.

Records come from packages, so they are hostile: nothing outside the install's own folders is believed.
"""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pratique import managers
from pratique.backends.base import FreshTree
from pratique.model import Installed
from pratique.words import Quality

OF_NODE = {
    "npm": ("npm",),
    "pnpm": ("pnpm",),
    "yarn": ("classic", "berry"),
    "bun": ("bun",),
    "corepack": ("pnpm", "classic", "berry"),
}
"""Managers that install Node packages → modules of `node` that know how they note it. All others are of Python."""
_MOST = 20_000

_TICKS = 0.02
"""File stamps lag behind the clock by up to a timer tick (10 ms at 100 Hz)."""


class Install(NamedTuple):
    """How the manager was started."""

    argv: tuple[str, ...]
    cwd: str
    environment: Mapping[str, str]
    since: float
    """When it began, by the clock that stamps files: what changed before is not its work."""

    @property
    def wrote_from(self) -> float:
        """What changed then or later is its work. Less than a shell needs to get from one command to the next."""
        return self.since - _TICKS

    @property
    def manager(self) -> str | None:
        """Whose it is; None where a program has overwritten its own command line."""
        pattern = managers.match(self.argv, managers.patterns())
        return pattern.manager if pattern else None


def warm() -> None:
    """Import the readers now: the next command may run what was installed a few milliseconds after the install."""
    from pratique.daemon.installed import node, python  # noqa: F401, PLC0415

    node.warm()


def sites(install: Install) -> list[str]:
    """The existing folders that the install may write packages to, and that an interpreter lists at its start."""
    from pratique.daemon.installed import python  # noqa: PLC0415 (as above)

    resolved = dict.fromkeys(map(os.path.realpath, python.sites(install)))
    return [site for site in resolved if Path(site).is_dir()]


def programs(pid: int, install: Install) -> list[str]:
    """What may run it and asks nothing of a folder first: the manager's own image, and what is found by name."""
    from pratique.daemon.installed import node  # noqa: PLC0415 (as above)

    return [f"/proc/{pid}/exe", *node.runtimes(install)] if install.manager in OF_NODE else []


def found(install: Install, written_by_package: Callable[[str], bool]) -> Iterator[FreshTree]:
    """Every package that the install wrote; a record that package code wrote proves no name."""
    written = cache(written_by_package)  # the same record vouches for hundreds of packages
    for tree in _trees(install, written):
        verified = tree.verified and not written(tree.record)
        yield tree._replace(verified=verified, device=_device(next(iter(tree.places), "/")))


def _trees(install: Install, written: Callable[[str], bool]) -> Iterator[FreshTree]:
    """By the readers of its manager's kind: loading all of them takes longer than many an install to be read."""
    manager = install.manager
    if manager not in OF_NODE:
        from pratique.daemon.installed import python  # noqa: PLC0415 (they import this module's shape)

        yield from python.found(install)
    if manager is None or manager in OF_NODE:
        from pratique.daemon.installed import node  # noqa: PLC0415 (as above)

        yield from node.found(install, written)


def is_replaced(old: FreshTree, new: FreshTree) -> bool:
    """Whether `old` is not there any more since `new` lies in one of its places.

    A place holds one version of a package, and one package of Node; what else shares a directory has its own record.
    """
    if set(old.places).isdisjoint(new.places):
        return False
    same_name = old.purl.rpartition("@")[0] == new.purl.rpartition("@")[0]
    return same_name or old.record == new.record or not os.path.lexists(old.record)


def is_removed(tree: FreshTree) -> bool:
    """Whether nothing of it is there, though the file system it was written to is: that may be mounted again."""
    if not tree.places or any(
        map(os.path.lexists, tree.places)
    ):  # without places: what is left is an approval
        return False
    return all(_device(place) == tree.device for place in tree.places)


def _device(path: str) -> int:
    """Of the path, or of the nearest folder above it that is there."""
    while True:
        try:
            return os.lstat(path).st_dev
        except OSError:
            path = os.path.dirname(path) or "/"  # noqa: PTH120 (no Path per package)


def listed(trees: Iterable[FreshTree]) -> tuple[Installed, ...]:
    """What was installed, each package and content once."""
    unique: dict[Installed, None] = {}
    for tree in itertools.islice(trees, _MOST):
        quality = Quality.VERIFIED if tree.verified else Quality.CLAIMED
        unique[Installed(tree.purl, quality, tree.digest)] = None
    return tuple(unique)
