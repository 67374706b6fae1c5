"""One virtual environment for every scenario: real pip, setuptools and wheel, fetched once by pip itself.

Without an index it keeps the interpreter's own old pip: enough for everything but setup.py builds.
"""

import subprocess
import venv
from pathlib import Path

from lab.ledger import exclusive

_PLACE = Path(__file__).parents[2] / ".cache" / "lab-venv"
_READY = _PLACE / "ready"


def template() -> Path:
    """Return its folder; build it when missing (the only step of the lab that needs a package index)."""
    with exclusive("template"):
        if not _READY.exists():
            venv.EnvBuilder(clear=True, with_pip=True).create(_PLACE)
            if _fetch("pip", "setuptools>=70.1", "wheel"):
                _READY.touch()
    return _PLACE


def has_setuptools() -> bool:
    """Whether setup.py packages can be built: False until the index was reachable once."""
    return template() == _PLACE and _READY.exists()


def _fetch(*names: str) -> bool:
    command = [str(_PLACE / "bin" / "python"), "-m", "pip", "install", "--quiet", "--upgrade", *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    return done.returncode == 0
