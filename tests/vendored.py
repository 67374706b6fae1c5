"""What stands under web/static/vendor: fetched by `npm pack` at a pinned version, and checked by its digest.

`python -m vendored` compares; `python -m vendored fetch` fetches again, and keeps only what is the same.
"""

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

PLACE = Path(__file__).parents[1] / "server" / "pratique_server" / "web" / "static" / "vendor"
LIST = PLACE / "vendor.json"


def listed() -> list[dict[str, Any]]:
    """The packages, each with its version, the digest of its archive, and the files that are taken from it."""
    packages: list[dict[str, Any]] = json.loads(LIST.read_text())["packages"]
    return packages


def wrong() -> list[str]:
    """What is missing, changed, or stands there and is listed nowhere."""
    expected = {name: file["sha256"] for each in listed() for name, file in each["files"].items()}
    there = {path.name: path.read_bytes() for path in PLACE.iterdir() if path != LIST}
    changed = [name for name, digest in expected.items() if _sha256(there.get(name, b"")) != digest]
    return sorted([*changed, *(there.keys() - expected.keys())])


def fetch() -> None:
    """Take every listed file out of its package, as the registry of this machine's npm has it."""
    for each in listed():
        archive = _archive(f"{each['name']}@{each['version']}")
        digest = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if digest != each["integrity"]:
            raise SystemExit(f"{each['name']}: the archive is another one: {digest}")
        with tarfile.open(archive) as held:
            for name, file in each["files"].items():
                member = held.extractfile(f"package/{file['from']}")
                (PLACE / name).write_bytes(member.read() if member else b"")


def _archive(package: str) -> Path:
    folder = tempfile.mkdtemp(prefix="vendored")
    command = ["npm", "pack", "--silent", "--pack-destination", folder, package]
    subprocess.run(command, check=True, timeout=120, cwd=folder, stdout=subprocess.DEVNULL)
    return next(Path(folder).glob("*.tgz"))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    if sys.argv[1:] == ["fetch"]:
        fetch()
    if found := wrong():
        raise SystemExit(f"not as in {LIST.name}: {', '.join(found)}")
