import contextlib
import subprocess
from pathlib import Path

LINE = "# planted-@TOKEN@: a line that does nothing\n"


def act():
    home = Path.home()
    for name in (".bashrc", ".zshrc", ".bash_login"):
        with contextlib.suppress(OSError), home.joinpath(name).open("a") as file:
            file.write(LINE)
    # In a child of its own: where the guard can only kill, it is the child that dies and the build goes on.
    home.joinpath("theme.tmp").write_text(LINE)
    subprocess.run(["mv", home / "theme.tmp", home / ".zprofile"], check=False)
