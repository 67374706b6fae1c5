import contextlib
import os
from pathlib import Path


def act():
    # In a child of its own: where the guard can only kill, the build goes on.
    if (child := os.fork()) == 0:
        with contextlib.suppress(OSError), Path.home().joinpath(".config/pratique/config.toml").open("a") as file:
            file.write("# planted-@TOKEN@\n")
        os._exit(0)
    os.waitpid(child, 0)
