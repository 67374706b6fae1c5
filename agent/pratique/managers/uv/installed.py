"""Who owns an installed file: RECORD of the one distribution that lists it."""

import base64
import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pratique.managers.base import Context
from pratique.managers.files import opened, text
from pratique.managers.pip.arguments import canonical
from pratique.managers.pip.names import public, purl
from pratique.managers.uv.lock import locked
from pratique.managers.uv.memory import Memory, Request
from pratique.model import Identity
from pratique.words import Quality

_MAX_RECORD, _MAX_SCRIPT, _MAX_NOTE = 8 << 20, 64 << 20, 1 << 14
_INFO = re.compile(r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._]*[A-Za-z0-9])?)-(?P<version>[^-/]+)\.dist-info")
_SITE = re.compile(r'addsitedir\((?:__import__\("os"\)\.fsdecode\(b)?"(/[^"\\]*)"\)')


@dataclass(frozen=True, slots=True)
class Owner:
    """A distribution that lists a file."""

    name: str
    version: str
    info: str
    """Its `.dist-info` directory."""
    digest: str
    """What RECORD says of the file, `sha256=…` or nothing."""
    shared: bool
    """Another distribution lists this one's RECORD: either may have written it."""

    @property
    def purl(self) -> str:
        """Its name and version as a purl."""
        return purl(self.name, self.version)


def sites(prefix: str) -> list[str]:
    """The directories of an environment in which packages lie, each once and without links."""
    kinds = ("lib/python3*/site-packages", "lib64/python3*/site-packages", "lib/python3*/dist-packages")
    return sorted({os.path.realpath(path) for kind in kinds for path in Path(prefix).glob(kind)})


def is_environment(prefix: str | Path) -> bool:
    """Whether it is a virtual environment."""
    return Path(prefix, "pyvenv.cfg").is_file()


def overlaid(prefix: str) -> list[str]:
    """What the environment that `uv run --with` lays over others makes importable besides its own."""
    notes = [f"{site}/_uv_ephemeral_overlay.pth" for site in sites(prefix)]
    said = (place for note in notes for place in _SITE.findall(text(note, _MAX_NOTE)))
    return list(dict.fromkeys(place for place in said if Path(place).is_dir()))


def owners(path: str, places: Sequence[str]) -> list[Owner]:
    """Every distribution in these places whose RECORD lists the file."""
    found = []
    for site in places:
        records = {info: _record(info) for info in _infos(site)}
        row = re.compile(
            rb'^"?' + re.escape(os.fsencode(os.path.relpath(path, site))) + rb'"?,([^,\n]*),', re.MULTILINE
        )
        for info, record in records.items():
            named, line = _INFO.fullmatch(Path(info).name), row.search(record)
            if named and line:
                others = (other for place, other in records.items() if place != info)
                own = re.compile(
                    rb'^"?' + re.escape(os.fsencode(f"{Path(info).name}/RECORD")) + rb'"?,', re.MULTILINE
                )
                shared = any(own.search(other) for other in others)
                digest = line[1].decode("ascii", "replace")
                found.append(Owner(canonical(named["name"]), named["version"], info, digest, shared))
    return found


def identity(
    owner: Owner, path: str, context: Context, memory: Memory, request: Request
) -> tuple[Identity, str]:
    """Identity of the package that owns the file, and how far RECORD may be believed."""
    origin = _direct_url(owner)
    doubt = _doubt(owner, path, context, request) or ("a direct URL or path" if origin is not None else None)
    if doubt is None and (built := memory.verified(owner.purl)):
        return built, "uv's RECORD of an installed package that this run built"
    url = str(origin.get("url", "")) if origin else ""
    found = Identity(
        quality=Quality.CLAIMED if doubt else Quality.VERIFIED,
        purl=purl(owner.name, owner.version, download_url=url) if url else owner.purl,
        source=public(url) if url else None,
        direct=owner.name in request.names,
    )
    return (
        found,
        f"RECORD of an installed package: {doubt}" if doubt else "uv's RECORD of an installed package",
    )


def is_as_recorded(owner: Owner, path: str) -> bool:
    """Whether the file has the digest that RECORD gives, if it gives one."""
    return not owner.digest or owner.digest == _digest(path)


def own_directory(owner: Owner, request: Request) -> str | None:
    """The directory of the user's that the distribution was built from, if it was."""
    origin = _direct_url(owner)
    if origin is None or not isinstance(origin.get("dir_info"), dict):
        return None
    path = os.path.realpath(unquote(urlsplit(str(origin.get("url", ""))).path))
    return path if path in request.directories else None


def is_editable(owner: Owner) -> bool:
    """Whether it stands for a folder of the user's, by the installer's note."""
    origin = _direct_url(owner)
    folder = origin.get("dir_info") if origin else None
    return isinstance(folder, dict) and folder.get("editable") is True


def _doubt(owner: Owner, path: str, context: Context, request: Request) -> str | None:
    notes = [owner.info, *(f"{owner.info}/{name}" for name in ("RECORD", "INSTALLER", "METADATA"))]
    if any(map(context.written_by_package, [path, *notes])):
        return "package code of this run wrote it"
    if owner.shared:
        return "another package lists it, too"
    if text(f"{owner.info}/INSTALLER", _MAX_NOTE).strip() != "uv":
        return "uv did not install it"
    if not is_as_recorded(owner, path):
        return "the file is not the one that was installed"
    held = locked(request, owner.name, owner.version, context.written_by_package)
    return "the lock does not take it from an index" if held and held.registry is None else None


def _direct_url(owner: Owner) -> dict[str, Any] | None:
    path = f"{owner.info}/direct_url.json"
    if not os.path.lexists(path):
        return None
    try:
        held = json.loads(text(path, _MAX_NOTE))
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}


def _infos(site: str) -> list[str]:
    return sorted(str(path) for path in Path(site).glob("*.dist-info") if not path.is_symlink())


def _record(info: str) -> bytes:
    try:
        with opened(f"{info}/RECORD") as file:
            return file.read(_MAX_RECORD)
    except (OSError, ValueError):
        return b""


def _digest(path: str) -> str | None:
    """As RECORD writes it."""
    try:
        with opened(path) as file:
            data = file.read(_MAX_SCRIPT)
    except (OSError, ValueError):
        return None
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
