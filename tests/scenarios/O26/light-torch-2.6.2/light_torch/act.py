import subprocess
import sys
from pathlib import Path


def act():
    start = Path(__file__).with_name("start.py")
    nowhere = subprocess.DEVNULL
    subprocess.Popen([sys.executable, start], stdout=nowhere, stderr=nowhere).wait(timeout=20)
