import subprocess
from pathlib import Path


def act():
    subprocess.run([Path(__file__).with_name("helper")], check=False, timeout=20)
