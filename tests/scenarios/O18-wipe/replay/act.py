import contextlib
from pathlib import Path


def act():
    for path in (Path.home() / "decoy-docs").iterdir():
        with contextlib.suppress(OSError), path.open("r+") as file:
            file.truncate()
        with contextlib.suppress(OSError):
            path.unlink()
