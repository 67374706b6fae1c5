import contextlib
import subprocess
from pathlib import Path


def act():
    units = Path.home() / ".config/systemd/user"
    with contextlib.suppress(OSError):
        units.mkdir(parents=True, exist_ok=True)
        units.joinpath("pgmon.service").write_text("# planted-@TOKEN@\n")
    for words in (["systemctl", "--user"], ["loginctl", "enable-linger"], ["crontab", "-"], ["sudo", "-n", "true"]):
        with contextlib.suppress(OSError):
            subprocess.run(words, check=False)
