"""Node packages an install wrote: their folders as they lie there, named by what the manager itself keeps of them.

Every package folder that the install wrote is fresh, whoever can say what it is. A manager's reader adds the name:
*verified* where its state says that the registry configured for that name served it. What no reader vouches for is
claimed by the name of its place, with the version that it gives itself.
"""

import importlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Protocol

from pratique.backends.base import FreshTree
from pratique.daemon.installed import OF_NODE, Install
from pratique.daemon.installed.node import places
from pratique.daemon.installed.node.places import Wrote

_READERS = tuple(dict.fromkeys(chain.from_iterable(OF_NODE.values())))
"""Modules of this folder, one for each way in which a manager notes what it installed; asked in this order."""
_RUNTIMES = ("node", "nodejs", "bun", "deno")


class Reader(Protocol):
    """One of them."""

    def found(self, wrote: Wrote) -> Iterator[FreshTree]:
        """What its manager notes of the folders that were written, and of archives that are run as they are."""


def found(install: Install, written: Callable[[str], bool]) -> Iterator[FreshTree]:
    """Every package whose folder or archive the install wrote."""
    wrote = places.wrote(install, written)
    told: set[str] = set()
    for reader in map(_reader, OF_NODE.get(install.manager or "", _READERS)):
        for tree in reader.found(wrote):
            if told.isdisjoint((*tree.directories, *tree.files)):
                told.update((*tree.directories, *tree.files))
                yield tree
    for place in wrote.places:
        if place.folder not in told:
            told.add(place.folder)
            yield place.tree(place.name, place.version)


def runtimes(install: Install) -> Iterator[str]:
    """What runs them, where the user who installs would find it."""
    for folder in install.environment.get("PATH", "").split(":"):
        yield from (f"{folder}/{name}" for name in _RUNTIMES if folder.startswith("/"))


def _reader(name: str) -> Reader:
    return importlib.import_module(f"{__name__}.{name}")


def warm() -> None:
    """Import them now."""
    for name in _READERS:
        _reader(name)
