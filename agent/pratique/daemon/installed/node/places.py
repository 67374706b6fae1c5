"""Where an install of Node packages may write, and the package folders that it wrote there.

Only real folders count: a link is another package's place, or leads out of the tree.
"""

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from glob import escape, glob
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pratique.backends.base import FreshTree
from pratique.daemon.installed import Install, notes
from pratique.managers.node import facts, project
from pratique.managers.node.arguments import Arguments
from pratique.managers.node.memory import GYP
from pratique.managers.node.places import expanded
from pratique.managers.node.purls import purl
from pratique.managers.npm import settings
from pratique.managers.npm.facts import facts as npm_facts
from pratique.managers.pnpm.manager import Pnpm

_MOST, _STRAYS, _MAX_MANIFEST = 50_000, 1_000, 1 << 20
_STORES = (".pnpm", ".bun", ".store")
"""Folders in a tree in which each package has a `node_modules` of its own."""
_UNNAMED = "package"
"""What yarn 4 calls each package's folder in such a store: its name is that of a link to it."""
_WHERE = ("--prefix", "-C", "--dir", "--cwd")
_FAMILIES = ("pnpm", "yarn", "bun")
_VERSION = re.compile(r"\d[\w.+-]{0,99}")


class Place(NamedTuple):
    """A package's folder that the install wrote."""

    top: str
    """The `node_modules` it was found in."""
    folder: str
    name: str
    """The folder's own."""
    above: str | None
    """The folder of the package in whose own `node_modules` it lies; None for one that does not."""
    stray: tuple[str, ...]
    """Folders and files in its own `node_modules` that are no packages there: then they are its own code."""

    @property
    def below(self) -> str:
        """Where it is, counted from the top."""
        return self.folder[len(self.top) + 1 :]

    @property
    def version(self) -> str | None:
        """As it says itself."""
        said = notes.table(notes.text(f"{self.folder}/package.json", _MAX_MANIFEST)).get("version")
        return said if isinstance(said, str) and _VERSION.fullmatch(said) else None

    def tree(
        self,
        name: str,
        version: str | None,
        *,
        verified: bool = False,
        digest: str | None = None,
        record: str = "",
    ) -> FreshTree:
        """It, as the package it is said to be."""
        files = tuple(path for path in self.stray if not os.path.isdir(path))  # noqa: PTH112 (no Path per file)
        folders = tuple(path for path in self.stray if path not in files)
        plain = os.fsencode(name).decode("utf-8", "replace")
        return FreshTree(purl(plain, version), (self.folder, *folders), files, verified, digest, record)


class Wrote(NamedTuple):
    """What an install wrote, for those who can say what it is."""

    install: Install
    tops: tuple[str, ...]
    """Every `node_modules` that it may have written to, by real path."""
    places: tuple[Place, ...]
    """Those that lie in another's `node_modules` after that one."""
    written: Callable[[str], bool]
    """Whether package code wrote a file: what it says then proves nothing."""

    def below(self, folder: str) -> Iterator[Place]:
        """The places below a folder."""
        return (place for place in self.places if place.folder.startswith(f"{folder}/"))


def wrote(install: Install, written: Callable[[str], bool]) -> Wrote:
    """Look where it may have written."""
    tops = tuple(_tops(install))
    return Wrote(install, tops, tuple(_walk(tops, install.wrote_from)), written)


def _tops(install: Install) -> list[str]:
    found: dict[str, None] = {}
    for root in _roots(install):
        unplugged = glob(f"{escape(root)}/.yarn/unplugged/*/node_modules")  # noqa: PTH207 (it is absolute)
        found |= dict.fromkeys(map(os.path.realpath, (f"{root}/node_modules", *unplugged)))
    return [top for top in found if Path(top).is_dir()]


def _roots(install: Install) -> Iterator[str]:
    """Folders that may hold a tree: the projects around, what is named, workspaces, and what users share."""
    argv, environment, cwd = install.argv, install.environment, install.cwd
    for folder in (*_named(install), cwd, *map(str, Path(cwd).parents)):
        yield folder
        yield from _workspaces(folder)
    families = [name for name in _FAMILIES if install.manager in (name, "corepack", None)]
    patterns = (*npm_facts().trees, *(tree for name in families for tree in _trees(name)))
    for pattern in expanded(patterns, environment):
        yield from glob(pattern)  # noqa: PTH207 (it is absolute)
    yield from settings.shared(argv, environment, cwd)


def _trees(name: str) -> tuple[str, ...]:
    return (*facts.load(name).trees, *facts.load(name).shared)


def _named(install: Install) -> Iterator[str]:
    for word, following in zip(install.argv, (*install.argv[1:], ""), strict=True):
        option, _, value = word.partition("=")
        if option in _WHERE and (value or following):
            yield os.path.normpath(Path(install.cwd, value or following))


def _workspaces(root: str) -> Sequence[str]:
    if not Path(root, "package.json").is_file():
        return ()
    nothing = Arguments("", (), ())
    return tuple(project.read(root, nothing, root, GYP, Pnpm().workspaces(root)).places)


def _walk(tops: Sequence[str], since: float) -> Iterator[Place]:
    queue: deque[tuple[str, str, str | None]] = deque((top, top, None) for top in tops)
    seen = 0
    while queue and seen < _MOST:
        top, modules, above = queue.popleft()
        for name, folder in islice(_packages(modules, stores=above is None), _MOST):
            seen += 1
            inner = f"{folder}/node_modules"
            has_own = _is_folder(inner)
            if has_own:
                queue.append((top, inner, folder))
            if _is_new(folder, since):
                yield Place(top, folder, name, above, tuple(_strays(inner)) if has_own else ())


def _is_new(folder: str, since: float) -> bool:
    """By the file that every package has: a folder changes, too, when a package is laid into its `node_modules`.

    A file that is linked from a store changes whenever another project links it: there the folder must have, too.
    """
    manifest = f"{folder}/package.json"
    try:
        status = os.lstat(manifest)
    except OSError:
        return notes.changed(folder, since)
    return status.st_ctime >= since and (status.st_nlink == 1 or notes.changed(folder, since))


def _packages(modules: str, *, stores: bool) -> Iterator[tuple[str, str]]:
    """Name and folder of each package right in a `node_modules`, and in the stores that lie in it."""
    for name, path in _folders(modules):
        if name.startswith("@"):
            yield from ((f"{name}/{inner}", place) for inner, place in _folders(path))
        elif not name.startswith("."):
            yield name, path
        elif stores and name in _STORES:
            for each in _stored(path):
                yield from _packages(f"{each}/node_modules", stores=False)
                yield from _unnamed(each)


def _stored(store: str) -> Iterator[str]:
    for name, path in _folders(store):
        is_scope = name.startswith("@") and not _is_folder(f"{path}/node_modules")
        yield from (inner for _, inner in _folders(path)) if is_scope else (path,)


def _unnamed(each: str) -> Iterator[tuple[str, str]]:
    folder = f"{each}/{_UNNAMED}"
    if _is_folder(folder):
        links = (*glob(f"{escape(each)}/node_modules/*"), *glob(f"{escape(each)}/node_modules/@*/*"))  # noqa: PTH207
        own = (link for link in links if os.path.islink(link) and os.path.realpath(link) == folder)  # noqa: PTH114
        yield next(own, f"/node_modules/{_UNNAMED}").rpartition("/node_modules/")[2], folder


def _strays(modules: str) -> Iterator[str]:
    """What in a package's own `node_modules` is no package: it came along in its archive, and can be run."""
    scopes = [path for name, path in _folders(modules) if name.startswith("@")]
    hidden = [path for name, path in _folders(modules) if name.startswith(".")]
    yield from islice((*hidden, *(file for each in (modules, *scopes) for file in _files(each))), _STRAYS)


def _folders(path: str) -> list[tuple[str, str]]:
    return [(entry.name, entry.path) for entry in _entries(path) if entry.is_dir(follow_symlinks=False)]


def _files(path: str) -> list[str]:
    return [entry.path for entry in _entries(path) if entry.is_file(follow_symlinks=False)]


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(islice(entries, _MOST))
    except OSError:
        return []


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)  # noqa: PTH112, PTH114 (no Path per package)
