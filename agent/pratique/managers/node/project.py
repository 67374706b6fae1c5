"""The user's own scripts: those of the root project, its workspaces and the directories it names.

All is read at npm's first child, before package code of this run exists: a script that a package writes into
package.json later is no script of the user's, wherever npm runs it.
"""

import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pratique.managers.files import text
from pratique.managers.node.arguments import Arguments, place_in

_MAX_BYTES, _MAX_PLACES = 1 << 20, 2_000
_MAX_SEARCHED = 20_000
_KINDS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
_BIN = re.compile(r"^(?:\.?/)?node_modules/\.bin/")


@dataclass(frozen=True, slots=True)
class Local:
    """A directory of the user's: which one it was, and the scripts and programs its package.json had."""

    inode: tuple[int, int]
    scripts: Mapping[str, str]
    bins: frozenset[str] = frozenset()
    """Real paths."""


@dataclass(frozen=True, slots=True)
class Project:
    """What one npm command may run as the user's own, by real path, and what its package.json asks for."""

    places: Mapping[str, Local]
    wanted: frozenset[str]

    def doubt(
        self, folder: str, event: str, script: str | None, written: Callable[[str], bool]
    ) -> str | None:
        """Why a script of one of the places is not the user's any more; None if it is.

        `script` is None where the manager does not say what it runs.
        """
        local = self.places[folder]
        if local.inode != inode(folder):
            return "its directory was replaced"
        if written(f"{folder}/package.json"):
            return "package code wrote its package.json"
        stood = local.scripts.get(event)
        same = stood is not None and (script is None or stood == _BIN.sub("", script))
        return None if same else "no such script stood there when the manager began"


def read(
    root: str | None, arguments: Arguments, cwd: str, gyp: str, workspaces: Sequence[str] = ()
) -> Project:
    """The project at `root` (None for a global install) and the directories on the command line.

    `workspaces` are patterns that stand elsewhere than in package.json.
    """
    manifest = manifest_of(root) if root else {}
    named = [os.path.join(cwd, path) for path in map(place_in, arguments.words) if path]  # noqa: PTH118
    spaces = list(islice(_workspaces(root, manifest, workspaces), _MAX_PLACES)) if root else []
    for top in [root, *spaces] if root else []:
        named += _named(str(top))
    places = {}
    for folder in [*([root] if root else []), *spaces, *named]:
        real = os.path.realpath(folder)
        key = inode(real)
        if key and not _is_installed(real, root):
            places[real] = Local(key, _scripts(real, gyp), _bins(real))
    return Project(places, names_in(manifest))


def manifest_of(folder: str) -> dict[str, Any]:
    """A package.json; empty when there is none that can be read."""
    return _object(text(f"{folder}/package.json", _MAX_BYTES, follow=True))


def inode(path: str) -> tuple[int, int] | None:
    """(device, inode) of a directory, None if it is none."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def names_in(manifest: Mapping[str, Any]) -> frozenset[str]:
    """Names a package.json depends on."""
    return frozenset(name for kind in _KINDS for name in _table(manifest, kind))


def _object(content: str) -> dict[str, Any]:
    try:
        loaded = json.loads(content.removeprefix("\ufeff")) if content else {}
    except (ValueError, RecursionError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _table(manifest: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = manifest.get(key)
    return found if isinstance(found, dict) else {}


def _scripts(folder: str, gyp: str) -> dict[str, str]:
    """As npm reads them: without `node_modules/.bin/`, and with the one a binding.gyp implies."""
    manifest = manifest_of(folder)
    given = {key: value for key, value in _table(manifest, "scripts").items() if isinstance(value, str)}
    scripts = {key: _BIN.sub("", value) for key, value in given.items()}
    implied = not {"install", "preinstall"} & scripts.keys() and manifest.get("gypfile") is not False
    if implied and any(Path(folder).glob("*.gyp")):
        scripts["install"] = gyp
    return scripts


def _bins(folder: str) -> frozenset[str]:
    manifest = manifest_of(folder)
    given = manifest.get("bin")
    files = _table(manifest, "bin").values() if isinstance(given, dict) else [given]
    return frozenset(os.path.realpath(Path(folder, file)) for file in files if isinstance(file, str))


def _named(top: str) -> list[str]:
    """Directories that a package.json of the user's depends on."""
    manifest = manifest_of(top)
    specs = (spec for kind in _KINDS for spec in _table(manifest, kind).values() if isinstance(spec, str))
    return [os.path.join(top, path) for path in map(place_in, specs) if path]  # noqa: PTH118


def _is_installed(real: str, root: str | None) -> bool:
    """Whether it lies among packages, counted from the project: that may itself be one."""
    top = os.path.realpath(root) if root else ""
    below = real.removeprefix(top) if top and f"{real}/".startswith(f"{top}/") else real
    return "/node_modules/" in f"{below}/"


def _workspaces(root: str | None, manifest: Mapping[str, Any], more: Sequence[str]) -> Iterator[str]:
    given = manifest.get("workspaces")
    patterns = given.get("packages") if isinstance(given, dict) else given
    for pattern in [*(patterns if isinstance(patterns, list) else ()), *more]:
        if root and isinstance(pattern, str) and not pattern.startswith(("!", "/")):
            yield from _expand(root, os.path.normpath(pattern))


def _expand(root: str, pattern: str) -> Iterator[str]:
    """Folders with a package.json; below `**` every one, for npm looks no closer than we need to.

    A project chooses the pattern, so it cannot have the whole host searched.
    """
    head, deep, _ = pattern.partition("**")
    if pattern == "." or (pattern.startswith("..") and "*" in pattern):
        return
    if not deep:
        yield from (str(path) for path in Path(root).glob(pattern) if (path / "package.json").is_file())
        return
    for base in Path(root).glob(head.rstrip("/")) if head else [root]:
        for top, folders, files in islice(os.walk(base), _MAX_SEARCHED):
            folders[:] = [name for name in folders if name != "node_modules"]
            if "package.json" in files:
                yield top
