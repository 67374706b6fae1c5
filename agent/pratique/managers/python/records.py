"""Whose a program of an environment is, by RECORD: for managers that run what they have just installed."""

import os
from pathlib import Path

from pratique.managers.base import Context, Stopped
from pratique.managers.files import text
from pratique.managers.pip.names import purl
from pratique.managers.uv import installed
from pratique.managers.uv.installed import Owner
from pratique.model import UNKNOWN, Identity, Settlement
from pratique.words import Actor, Quality, Stage

_INSTALLERS = ("pip", "uv")
_MAX_NOTE = 1 << 16


def first_run(child: Stopped, context: Context, wanted: frozenset[str], homes: tuple[str, ...]) -> Settlement:
    """The first run of a console script in an environment below one of the homes."""
    file = next((found for found in map(_script, _words(child)) if found), None)
    if file is None or not any(file.startswith(f"{home}/") for home in homes):
        return _package(UNKNOWN, "it lies in none of the environments that the manager fills")
    found = installed.owners(file, installed.sites(str(Path(file).parent.parent)))
    if len(found) != 1:
        candidates = tuple(owner.purl for owner in found)
        return _package(Identity(candidates=candidates), "no package, or several, list it")
    doubt = _doubt(found[0], file, context)
    quality = Quality.CLAIMED if doubt else Quality.VERIFIED
    owner = found[0]
    identity = Identity(quality, purl(owner.name, owner.version), direct=owner.name in wanted)
    return _package(identity, doubt or "RECORD of the environment that the manager has just filled")


def _words(child: Stopped) -> list[str]:
    named = [child.exe, *(str(Path(child.cwd, word)) for word in child.argv[:3] if "/" in word)]
    return list(dict.fromkeys(named))


def _script(path: str) -> str | None:
    """The path itself if it is a script in an environment; interpreters are links to elsewhere."""
    place = Path(os.path.normpath(path))
    inside = place.parent.name == "bin" and installed.is_environment(place.parent.parent)
    return str(place) if inside and not place.is_symlink() and place.is_file() else None


def _doubt(owner: Owner, file: str, context: Context) -> str | None:
    notes = [owner.info, *(f"{owner.info}/{name}" for name in ("RECORD", "INSTALLER", "METADATA"))]
    if any(map(context.written_by_package, [file, *notes])):
        return "package code of this run wrote it"
    if owner.shared:
        return "another package lists it, too"
    if text(f"{owner.info}/INSTALLER", _MAX_NOTE).strip() not in _INSTALLERS:
        return "no manager that is known here installed it"
    if os.path.lexists(f"{owner.info}/direct_url.json"):
        return "a direct URL or path: nobody vouches for the name"
    return None if installed.is_as_recorded(owner, file) else "the file is not the one that was installed"


def _package(identity: Identity, reason: str) -> Settlement:
    return Settlement(Actor.PACKAGE, Stage.FIRST_RUN, identity, new_origin=True, reason=reason)
