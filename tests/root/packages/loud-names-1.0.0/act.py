import contextlib
import os
import shutil
import subprocess
from pathlib import Path

NAMES = (
    b".x\n::error file=a.c,line=1::owned",
    b".x\x1b]0;owned\x07\x1b[2J\x1b[31m",
    b".x\xff\xfe\x80 not utf-8",
    b".x\r##[error]owned\r",
    b".x" + b" ::error::wrapped" * 12,
    b".x" + b" ##[error]wrapped" * 12,
    ".x \u202eevil\u2066 \u200b".encode(),
)
SHELL = shutil.which("dash") or shutil.which("sh")


def run_loudly():
    place = Path("/tmp/loud-@TOKEN@")
    place.mkdir()
    for name in NAMES:
        path = os.fsencode(place) + b"/" + name
        shutil.copy(SHELL, path)
        with contextlib.suppress(OSError):
            subprocess.run([path, b"-c", b"exit 0", b"\n::error::argv"], check=False)
    shutil.rmtree(place)


def read_deeply():
    """Read a secret by a path as long as the kernel takes, from a folder deeper than any path can say."""
    here, deep = os.getcwd(), "/tmp/deep-@TOKEN@"
    os.mkdir(deep)
    os.chdir(deep)
    for _ in range(20):
        os.mkdir("e" * 240)
        os.chdir("e" * 240)
    long = os.fsencode(Path.home()) + b"/" + b"./" * 2100
    with contextlib.suppress(OSError):
        open(long[:4000].rstrip(b".") + b"/.npmrc", "rb").close()
    os.chdir(here)
    subprocess.run(["rm", "-rf", deep], check=False)


def act():
    run_loudly()
    read_deeply()
