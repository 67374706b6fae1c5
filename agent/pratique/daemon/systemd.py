"""The service `pratiqued`: its unit, put in place and taken away."""

import shutil
import subprocess
from pathlib import Path

from pratique.errors import UsageError

NAME = "pratiqued.service"
FOLDER = Path("/etc/systemd/system")
_RUNNING = Path("/run/systemd/system")
_UNIT = """\
[Unit]
Description=Pratique: guards package installs and the first run of what they installed
After=local-fs.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} daemon
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=100ms
WatchdogSec=10
TimeoutStopSec=30
# Guarded trees belong to their users and must outlive a restart; the guardian is a child of the daemon.
KillMode=process
OOMScoreAdjust=-900
LimitNOFILE=65536
LimitMEMLOCK=infinity
MemoryHigh=300M
RuntimeDirectory=pratique
RuntimeDirectoryMode=0755
# What refuses is pinned below it and stays over a restart.
RuntimeDirectoryPreserve=yes
UMask=0077

[Install]
WantedBy=multi-user.target
"""


def unit(program: str) -> str:
    """The unit file for a program at that path."""
    return _UNIT.format(program=program)


def install(program: str, folder: Path, *, start: bool) -> Path:
    """Write the unit and (with `start`) enable and start it; where it is."""
    if start and not _RUNNING.is_dir():
        raise UsageError(
            "systemd does not run here", "--no-start writes the unit only; else: pratique daemon"
        )
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / NAME
    place.write_text(unit(program), encoding="utf-8")
    if start:
        _systemctl("daemon-reload")
        _systemctl("enable", "--now", NAME)
    return place


def remove(folder: Path) -> bool:
    """Disable, stop and remove the service; False when there is none."""
    place = folder / NAME
    if not place.exists():
        return False
    if _RUNNING.is_dir():
        _systemctl("disable", "--now", NAME)
    place.unlink()
    if _RUNNING.is_dir():
        _systemctl("daemon-reload")
    return True


def _systemctl(*words: str) -> None:
    program = shutil.which("systemctl") or "/usr/bin/systemctl"
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=90, check=False)
    if done.returncode:
        raise UsageError(f"systemctl {' '.join(words)} failed: {done.stderr.strip()}")
