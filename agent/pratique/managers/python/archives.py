"""Source archives that a manager keeps: which files they unpack to."""

import hashlib
import os
from collections.abc import Iterator
from io import BufferedReader
from typing import IO

from pratique.managers.files import opened

_MAX_ARCHIVE, _MAX_UNPACKED = 256 << 20, 512 << 20


def unpacked(path: str, digest: str) -> Iterator[tuple[str, bytes]]:
    """The regular files in a source archive of that sha256, named without the first component."""
    with opened(path) as file:
        if _digest(file) != digest:
            raise ValueError("not the archive it is said to be")
        yield from members(file)


def members(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """The same of an archive that is open."""
    import zipfile  # noqa: PLC0415 -- while a process waits, never before the command starts

    try:
        yield from (_zipped if zipfile.is_zipfile(file) else _tarred)(file)
    except Exception as error:  # decoders fail on hostile bytes in more ways than can be listed
        raise ValueError(str(error)) from error


def _tarred(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    import tarfile  # noqa: PLC0415

    left = _MAX_UNPACKED
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:*") as archive:
        for member in archive:
            left -= member.size
            if left < 0:
                raise ValueError("more than an honest archive holds")
            held = archive.extractfile(member) if member.isreg() else None
            name = member.name.removeprefix("./").partition("/")[2]
            if held and name:
                yield name, held.read()


def _zipped(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    import zipfile  # noqa: PLC0415

    left = _MAX_UNPACKED
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            left -= member.file_size
            if left < 0:
                raise ValueError("more than an honest archive holds")
            name = member.filename.partition("/")[2]
            if name and not member.is_dir():
                yield name, archive.read(member)


def _digest(file: BufferedReader) -> str | None:
    if os.fstat(file.fileno()).st_size > _MAX_ARCHIVE:
        return None
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()
