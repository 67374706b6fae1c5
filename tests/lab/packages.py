"""Replicas become real source distributions: a folder `NAME-VERSION` in, `NAME-VERSION.tar.gz` out."""

import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BACKEND = Path(__file__).parent / "intree" / "lab_backend.py"
_INTREE = {
    "pyproject.toml": (
        '[build-system]\nrequires = []\nbuild-backend = "lab_backend"\nbackend-path = ["."]\n\n'
        '[project]\nname = "{name}"\nversion = "{version}"\n'
    )
}


@dataclass(frozen=True, slots=True)
class Package:
    """A built source distribution."""

    name: str
    version: str
    file: Path

    @property
    def purl(self) -> str:
        """How reports name it."""
        return f"pkg:pypi/{self.name}@{self.version}"


def build_sdist(source: Path, words: Mapping[str, str], into: Path) -> Package:
    """Pack `source`, with `@WORD@` replaced from `words`; without a setup.py the in-tree backend is added."""
    name, _, version = source.name.rpartition("-")
    files = {str(path.relative_to(source)): path.read_bytes() for path in _files(source)}
    if "setup.py" not in files:
        files = _with_backend(files, name, version)
    files["PKG-INFO"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    file = into / f"{name.replace('-', '_')}-{version}.tar.gz"
    with tarfile.open(file, "w:gz", compresslevel=1) as archive:
        for path, data in sorted(files.items()):
            _add(archive, f"{source.name}/{path}", filled(data, words))
    return Package(name, version, file)


def read_npm(source: Path, words: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A package of npm's kind as its registry takes it: manifest and files, `@WORD@` replaced from `words`."""
    files = {str(path.relative_to(source)): filled(path.read_bytes(), words) for path in _files(source)}
    manifest: dict[str, Any] = json.loads(files.pop("package.json"))
    return manifest, files


def compiled(source: bytes) -> bytes:
    """The program that a C source makes."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["gcc", "-O1", "-x", "c", "-", "-o", f"{folder}/program"]
        subprocess.run(command, input=source, check=True, timeout=30)
        return Path(folder, "program").read_bytes()


def _files(source: Path) -> list[Path]:
    return sorted(path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _with_backend(files: dict[str, bytes], name: str, version: str) -> dict[str, bytes]:
    shared = {path: text.format(name=name, version=version).encode() for path, text in _INTREE.items()}
    return {**shared, **files, "lab_backend.py": _BACKEND.read_bytes()}


def filled(data: bytes, words: Mapping[str, str]) -> bytes:
    """Replace each `@WORD@` by its value."""
    for word, value in words.items():
        data = data.replace(f"@{word}@".encode(), value.encode())
    return data


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o644
    archive.addfile(entry, io.BytesIO(data))
