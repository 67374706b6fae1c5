"""What pnpm installed: its place `.pnpm/NAME@VERSION`, and its own lock file of what lies there.

That lock file says of an archive of the configured registry nothing but the digest. One that names an archive is
believed only if that is the registry's for this very name and version.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pratique.backends.base import FreshTree
from pratique.daemon.installed import notes
from pratique.daemon.installed.node.places import Place, Wrote
from pratique.managers.base import Stopped
from pratique.managers.node.environment import digest_of
from pratique.managers.node.registries import Registries
from pratique.managers.pnpm.facts import facts
from pratique.managers.pnpm.manager import Pnpm

_LARGEST, _MOST = 64 << 20, 50_000
_ROW = re.compile(
    r"^  (?P<quote>'?)(?P<key>[^\s']+)(?P=quote):\n    resolution: \{(?P<said>[^\n]*)\}$", re.MULTILINE
)
_SAID = re.compile(r"integrity: (?P<digest>[^\s,}]+)(?:, tarball: (?P<url>[^\s,}]+))?")


def found(wrote: Wrote) -> Iterator[FreshTree]:
    """Every package in a store of a tree, or in the one of all trees, that pnpm noted in this install."""
    install = wrote.install
    told: list[_Told] = []
    for top in wrote.tops:
        lock = f"{top}/.pnpm/lock.yaml"
        rows = _rows(notes.text(lock, _LARGEST, install.wrote_from))
        if rows:
            manager = Stopped(0, install.argv, install.cwd, "", install.environment)
            root = str(Path(top).parent)
            hoisted = dict(_hoisted(notes.text(f"{top}/.modules.yaml", _LARGEST, install.wrote_from), root))
            told.append(_Told(lock, top, rows, hoisted, Pnpm().registries(manager, root, {})))
    for place in wrote.places if told else ():
        found = next(filter(None, (_tree(place, each) for each in told)), None)
        if found is not None:
            yield found


class _Told(NamedTuple):
    """One lock file."""

    lock: str
    top: str
    rows: Mapping[str, str]
    """`NAME@VERSION` → what it was resolved to."""
    hoisted: Mapping[str, str]
    """Folder → `NAME@VERSION`, where packages do not lie in a store."""
    registries: Registries


def _hoisted(modules: str, root: str) -> Iterator[tuple[str, str]]:
    located = notes.table(modules).get("hoistedLocations")
    for key, places in islice(located.items(), _MOST) if isinstance(located, dict) else ():
        for place in places if isinstance(places, list) else ():
            yield f"{root}/{place}", str(key).partition("(")[0]


def _rows(lock: str) -> Mapping[str, str]:
    """Empty where pnpm would not write the same key twice."""
    rows: dict[str, str] = {}
    for row in islice(_ROW.finditer(lock), _MOST):
        rows[row["key"]] = "" if row["key"] in rows else row["said"]
    return rows


def _tree(place: Place, told: _Told) -> FreshTree | None:
    name, version = _located(place, told)
    row = told.rows.get(f"{name}@{version}")
    if row is None or not name:
        return None
    said = _SAID.fullmatch(row)
    digest = digest_of(said["digest"]) if said else None
    archive = told.registries.tarball(said["url"]) if said and said["url"] else None
    theirs = archive is not None and (archive.name, archive.version) == (name, version)
    ours = said is not None and (said["url"] is None or theirs)
    return place.tree(name, version, verified=bool(ours and digest), digest=digest, record=told.lock)


def _located(place: Place, told: _Told) -> tuple[str | None, str]:
    """Name and version by the place that pnpm laid it in; a place of another tree's is none."""
    top = told.top
    if place.folder in told.hoisted:
        name, _, version = told.hoisted[place.folder].rpartition("@")
        return name, version
    inside = place.folder[len(top) - len("node_modules") :] if place.folder.startswith(f"{top}/") else ""
    found = re.fullmatch(f"{facts().own['place']}/node_modules/(?P<at>.+)", inside)
    if found:
        name = found["name"].replace("+", "/", 1) if found["name"].startswith("@") else found["name"]
    else:
        found = re.fullmatch(facts().own["link"], place.folder)
        name = f"{found['scope']}/{found['bare']}".removeprefix("@/") if found else ""
    return (name, found["version"]) if found and name == found["at"] else (None, "")
