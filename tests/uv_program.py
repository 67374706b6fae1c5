"""The uv that tests run: fetched once by pip itself into a virtual environment of its own."""

import fcntl
import subprocess
import venv
from pathlib import Path

_PLACE = Path(__file__).parents[1] / ".cache" / "uv-venv"
_READY = _PLACE / "ready"


def uv_program() -> Path | None:
    """The program; None while no package index can be reached."""
    _PLACE.parent.mkdir(exist_ok=True)
    with (_PLACE.parent / "uv-venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _READY.exists():
            venv.EnvBuilder(clear=True, with_pip=True).create(_PLACE)
            command = [str(_PLACE / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv"]
            done = subprocess.run(command, capture_output=True, timeout=180, check=False)
            if done.returncode == 0:
                _READY.touch()
    return _PLACE / "bin" / "uv" if _READY.exists() else None
