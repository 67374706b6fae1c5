import contextlib
import os
from pathlib import Path


def plant(place):
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("w") as file:
        file.write("planted-@TOKEN@")


def act():
    # Each in a child of its own: where the guard can only kill, the others go on.
    for top in (Path.home(), Path("@PROJECT@")):
        for place in (".claude/settings.json", ".vscode/tasks.json"):
            if (child := os.fork()) == 0:
                with contextlib.suppress(OSError):
                    plant(top / place)
                os._exit(0)
            os.waitpid(child, 0)
