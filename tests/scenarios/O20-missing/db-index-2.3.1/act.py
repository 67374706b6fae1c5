import contextlib
import os
from pathlib import Path

PLACES = (
    ".config/systemd/user/pgmon.service",
    ".config/autostart/pgmon.desktop",
    ".claude/settings.json",
)


def plant(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write("# planted-@TOKEN@\n")


def act():
    # Each in a child of its own: where the guard can only kill, the build goes on.
    for place in PLACES:
        if (child := os.fork()) == 0:
            with contextlib.suppress(OSError):
                plant(Path.home() / place)
            os._exit(0)
        os.waitpid(child, 0)
