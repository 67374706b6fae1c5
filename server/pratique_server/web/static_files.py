"""The files that pages load: read once, named by their content, so that browsers may keep them for ever."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Response

FOLDER = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_LOADED = tuple(_TYPES)

router = APIRouter()


@dataclass(frozen=True, slots=True)
class File:
    """A file that pages load."""

    content: bytes
    packed: bytes
    """The same, compressed; pages themselves are not, since they hold a secret beside text that others choose."""
    type: str
    digest: str


@cache
def files() -> dict[str, File]:
    """Every file there is to load, by name: nothing else of the disk can be asked for."""
    found = (path for path in FOLDER.rglob("*") if path.suffix in _LOADED)
    return {path.relative_to(FOLDER).as_posix(): _file(path) for path in found}


def address_of(name: str) -> str:
    """The address of a file, which changes with its content."""
    return f"/static/{name}?{files()[name].digest}"


@router.get("/static/{name:path}", include_in_schema=False)
def give(name: str, accept_encoding: Annotated[str, Header()] = "") -> Response:
    """A file, to be asked for once."""
    file = files().get(name)
    if file is None:
        return Response("There is no such file.", 404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if "gzip" in accept_encoding:
        return Response(file.packed, media_type=file.type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(file.content, media_type=file.type, headers=headers)


def _file(path: Path) -> File:
    content = path.read_bytes()
    packed = gzip.compress(content, 9, mtime=0)
    return File(content, packed, _TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:12])
