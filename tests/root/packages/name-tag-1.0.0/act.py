"""Copies its environment, as stealers of tokens in build servers do: O27's first half, on decoys."""

import json
import os
import subprocess
from pathlib import Path

_MARKS = Path("@MARKS@")


def act():
    (_MARKS / "own.json").write_text(json.dumps(dict(os.environ)))
    listed = subprocess.run(["env", "-0"], capture_output=True, check=True).stdout.decode()
    (_MARKS / "child").write_text(listed)
    (_MARKS / "block").write_bytes(Path("/proc/self/environ").read_bytes())
