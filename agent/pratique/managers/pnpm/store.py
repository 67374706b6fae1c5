"""pnpm's store: which files, by their sha512, an archive of a digest was unpacked to.

Since pnpm 11 an SQLite table whose rows are msgpack with records (of a JavaScript encoder's own kind). Only one
thing is looked up in it, so it is not decoded: what stands behind a file's name.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from pratique.managers.files import opened
from pratique.managers.node.memory import Request

_MAX_ROW, _MAX_FILE, _SHORT, _BYTE = 64 << 20, 256 << 20, 32, 256
_RECORD = rb"(?:\xd4r.[\x90-\x9f](?:[\xa0-\xbf][A-Za-z]+)+|.)"


def holds(folder: str, changed: set[str], key: str, request: Request) -> bool:
    """Whether every one of these files is as pnpm unpacked it; `key` is digest, tabulator, name@version."""
    row = next(filter(None, (_row(path, key) for path in _indexes(request))), b"")
    return bool(row) and all(_is_listed(row, folder, path) for path in changed)


def _is_listed(row: bytes, folder: str, path: str) -> bool:
    name = os.fsencode(os.path.relpath(path, folder))
    size = len(name)
    head = (
        bytes([0xA0 | size])
        if size < _SHORT
        else b"\xd9" + bytes([size])
        if size < _BYTE
        else b"\xda" + size.to_bytes(2)
    )
    found = re.search(re.escape(head + name) + _RECORD + rb"\xd9\x80([0-9a-f]{128})", row, re.DOTALL)
    if found is None:
        return False
    with opened(path) as file:
        small = os.fstat(file.fileno()).st_size <= _MAX_FILE
        return small and hashlib.file_digest(file, "sha512").hexdigest().encode() == found[1]


def _indexes(request: Request) -> Iterator[Path]:
    said = request.environment
    data = said.get("XDG_DATA_HOME") or f"{request.home}/.local/share"
    named = request.arguments.all("--store-dir")[-1:]
    for place in (*named, f"{said.get('PNPM_HOME') or data + '/pnpm'}/store", f"{data}/pnpm/store"):
        yield from Path(place).glob("v*/index.db")


def _row(path: Path, key: str) -> bytes:
    import sqlite3  # noqa: PLC0415 -- only for what looks changed, never before the command starts

    try:
        base = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0.5)
        try:
            found = base.execute("SELECT data FROM package_index WHERE key = ?", (key,)).fetchone()
        finally:
            base.close()
    except sqlite3.Error:
        return b""
    data = found[0] if found else b""
    return data if isinstance(data, bytes) and len(data) <= _MAX_ROW else b""
