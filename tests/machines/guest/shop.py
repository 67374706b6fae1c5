"""Runs in the guest: lays out a decoy secret, and a package that takes it when it is built."""

import io
import tarfile
from pathlib import Path

SECRET, SHOP = Path("/root/.aws/credentials"), Path("/opt/shop")
_SETUP = """
import pathlib
from setuptools import setup
try:
    pathlib.Path("/var/tmp/taken").write_text(pathlib.Path("/root/.aws/credentials").read_text())
except OSError:
    pass
setup(name="thief", version="1.0", py_modules=[])
"""
_FILES = {"PKG-INFO": "Metadata-Version: 2.1\nName: thief\nVersion: 1.0\n", "setup.py": _SETUP}


def main() -> None:
    """Lay them."""
    SECRET.parent.mkdir(exist_ok=True)
    SECRET.write_text("canary")
    SHOP.mkdir(exist_ok=True)
    with tarfile.open(SHOP / "thief-1.0.tar.gz", "w:gz") as archive:
        for name, text in _FILES.items():
            member = tarfile.TarInfo(f"thief-1.0/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))


main()
