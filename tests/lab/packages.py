"""Replicas become real source distributions: a folder `NAME-VERSION` in, `NAME-VERSION.tar.gz` out."""

import io
import json
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
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


_EXECUTABLE = (b"\x7fELF", b"#!")
Programs = Callable[[Mapping[str, bytes]], dict[str, bytes]]
"""Given the files of a package, those that have to be compiled first."""


@dataclass(frozen=True, slots=True)
class Package:
    """A distribution as an index has it."""

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


def build_wheel(source: Path, words: Mapping[str, str], into: Path, programs: Programs) -> Package:
    """Pack `source` as it is to be installed: nothing of it runs before its first run."""
    name, _, version = source.name.rpartition("-")
    files = {str(path.relative_to(source)): filled(path.read_bytes(), words) for path in _files(source)}
    files |= programs(files)
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    if "entry_points.txt" in files:
        files[f"{info}/entry_points.txt"] = files.pop("entry_points.txt")
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: lab\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    listed = [*files, f"{info}/RECORD"]
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in listed).encode()
    file = into / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        for path, data in files.items():
            wheel.writestr(_entry(path, data), data)
    return Package(name, version, file)


def _entry(path: str, data: bytes) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path)
    entry.external_attr = (0o100755 if data.startswith(_EXECUTABLE) else 0o100644) << 16
    return entry


def read_npm(source: Path, words: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A package of npm's kind as its registry takes it: manifest and files, `@WORD@` replaced from `words`."""
    files = {str(path.relative_to(source)): filled(path.read_bytes(), words) for path in _files(source)}
    manifest: dict[str, Any] = json.loads(files.pop("package.json"))
    return manifest, files


def compiled(source: bytes) -> bytes:
    """The program that a C source makes, or the library where something of it runs when it is loaded."""
    with tempfile.TemporaryDirectory() as folder:
        library = ["-shared", "-fPIC"] if b"__attribute__((constructor))" in source else []
        command = ["gcc", "-O1", *library, "-x", "c", "-", "-o", f"{folder}/program"]
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
