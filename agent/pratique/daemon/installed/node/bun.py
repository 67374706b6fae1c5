"""What bun installed: `bun.lock`, which bun wrote or obeyed, says what each place in the tree was resolved to.

It lies in the project, so it counts for an install of bun's only; and as bun keeps one folder for each name and
version, every entry of those must be the archive of the configured registry.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from pratique.backends.base import FreshTree
from pratique.daemon.installed import notes
from pratique.daemon.installed.node.places import Place, Wrote
from pratique.managers.base import Stopped
from pratique.managers.bun.facts import facts
from pratique.managers.bun.manager import Bun
from pratique.managers.node.environment import digest_of
from pratique.managers.node.memory import program_of
from pratique.managers.node.project import manifest_of
from pratique.managers.node.registries import Registries

_LARGEST = 64 << 20
_MOST = 50_000
_ROW = re.compile(r'^ +"[^"\n]+": \["[^\n]*\],?$', re.MULTILINE)
_ID = re.compile(r"(?P<name>(?:@[^/@]+/)?[^/@]+)@(?P<version>\d+\.\d+\.\d+(?:[-+][\w.+-]+)?)")
_STORED = re.compile(
    r"\.bun/(?P<name>@?[^/@]+)@(?P<version>[^/]+?)(?:\+[0-9a-f]{16})?/node_modules/(?P<at>.+)"
)

_Row = tuple[str, str, str | None]
"""What it was resolved to, the archive (empty: the registry's), and a strong digest."""


def found(wrote: Wrote) -> Iterator[FreshTree]:
    """Every package in a tree that bun filled."""
    if not program_of(wrote.install.argv, facts())[0]:
        return
    for top in wrote.tops:
        root = _root(str(Path(top).parent))
        known = _Known(root, top, wrote) if root else None
        for place in wrote.places if known else ():
            tree = known.tree(place) if known and place.top == top else None
            if tree is not None:
                yield tree._replace(record=f"{root}/bun.lock")


def _root(folder: str) -> str | None:
    """The nearest folder upwards with a lock file; a workspace has none of its own."""
    above = (folder, *map(str, Path(folder).parents))
    found = next((each for each in above if Path(each, "bun.lock").is_file()), None)
    return None if found is None or Path(found, "bun.lockb").exists() else found


class _Known:
    """One tree."""

    def __init__(self, root: str, top: str, wrote: Wrote) -> None:
        install = wrote.install
        self._rows = _rows(notes.text(f"{root}/bun.lock", _LARGEST))
        manager = Stopped(0, install.argv, install.cwd, "", install.environment)
        self._registries: Registries = Bun().registries(manager, root, {})
        holder = str(Path(top).parent)
        self._prefix = "" if holder == root else f"{manifest_of(holder).get('name')}/"
        self._by_id: dict[str, list[_Row]] = {}
        for row in self._rows.values():
            self._by_id.setdefault(row[0], []).append(row)

    def tree(self, place: Place) -> FreshTree | None:
        """The package of a place; None where the lock file says nothing of it."""
        row = self._stored(place) if place.below.startswith(".bun/") else self._hoisted(place)
        said = _ID.fullmatch(row[0]) if row else None
        if row is None or said is None:
            return None
        ours = all(self._is_own(each, said["name"], said["version"]) for each in self._by_id[row[0]])
        return place.tree(said["name"], said["version"], verified=bool(ours and row[2]), digest=row[2])

    def _hoisted(self, place: Place) -> _Row | None:
        return self._rows.get(self._prefix + place.below.replace("/node_modules/", "/"))

    def _stored(self, place: Place) -> _Row | None:
        found = _STORED.fullmatch(place.below)
        name = (
            found["name"].replace("+", "/", 1)
            if found and found["name"].startswith("@")
            else found and found["name"]
        )
        same = found is not None and name == found["at"]
        rows = self._by_id.get(f"{name}@{found['version']}", []) if found and same else []
        return rows[0] if rows else None

    def _is_own(self, row: _Row, name: str, version: str) -> bool:
        archive = self._registries.tarball(row[1]) if row[1] else None
        return not row[1] or (archive is not None and (archive.name, archive.version) == (name, version))


def _rows(lock: str) -> Mapping[str, _Row]:
    """Place → what it was resolved to: one line each; what is bundled in another package is left out."""
    rows: dict[str, _Row] = {}
    for line in islice(_ROW.finditer(lock), _MOST):
        for key, row in notes.table("{" + line[0].rstrip(",") + "}").items():
            match row:
                case [str(what), str(url), dict(more), str(digest)] if not more.get("bundled"):
                    rows[key] = (what, url, digest_of(digest))
                case [str(what), *_]:
                    rows[key] = (what, "", None)
    return rows
