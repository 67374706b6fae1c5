import contextlib
import os
import subprocess
from pathlib import Path

NAMES = (
    b".x\n::error file=a.c,line=1::owned",
    b".x\x1b]0;owned\x07\x1b[2J\x1b[31m",
    b".x\xff\xfe\x80 not utf-8",
    b".x\r##[error]owned\r",
    "．x \u202eevil\u2066 \u200b".replace("．", ".").encode(),
)


def act():
    place = Path("/tmp/loud-@TOKEN@")
    place.mkdir()
    for name in NAMES:
        path = os.path.join(os.fsencode(place), name)
        with open(path, "wb") as file:
            file.write(b"#!/bin/sh\nexit 0\n")
        os.chmod(path, 0o700)
        with contextlib.suppress(OSError):
            subprocess.run([path, name, b"\n::error::argv"], check=False)
        os.unlink(path)
    os.rmdir(place)
    deep = b"/tmp/" + b"d" * 200 + b"@TOKEN@"
    folder = deep
    with contextlib.suppress(OSError):
        for _ in range(12):
            os.mkdir(folder)
            folder += b"/" + b"e" * 240
    os.chdir(deep)
    for _ in range(11):
        with contextlib.suppress(OSError):
            os.chdir(b"e" * 240)
    with contextlib.suppress(OSError):
        open(os.fsencode(Path.home()) + b"/" + b"./" * 1900 + b".npmrc", "rb").close()
    os.chdir("/")
    subprocess.run(["rm", "-rf", deep], check=False)
