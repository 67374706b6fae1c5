"""The disk that all three machines start from: Debian with systemd, and what their scripts would fetch, as files."""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from kernels import images, matrix

PROVISION, WHEELS = "/opt/provision", "/opt/wheels"
_HERE = Path(__file__).parent
_SCRIPTS = images.CHECKOUT / "vagrant" / "provision"
_LINE = "serve.service"
_MASKED = ("serial-getty@ttyS0.service", "getty@tty1.service", "apt-daily.timer", "apt-daily-upgrade.timer")
_EXTRAS = "uplink,server,hunt"


def image(kernel: Path) -> Path:
    """Kept by what it holds, like the images of `kernels`."""
    whole = matrix.read()
    base = images.base(replace(whole, packages=(*whole.packages, "systemd-sysv", "sudo")))
    wheels = _wheels(images.wheel())
    parts = [Path(__file__), *sorted(wheels.iterdir()), _SCRIPTS, _HERE / "guest", kernel]
    kept = images.kept(base.name, parts, ".disk")
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=images.CACHE) as work:
            root = Path(work) / "root"
            root.mkdir()
            images.run(["tar", "-xf", str(base), "-C", str(root)], images.CACHE)
            _lay(root, wheels, kernel)
            images.packed(root, kept)
        for old in images.CACHE.glob("*.disk"):
            if old != kept:
                old.unlink()
    return kept


def _lay(root: Path, wheels: Path, kernel: Path) -> None:
    shutil.copytree(wheels, root / WHEELS[1:])
    shutil.copytree(_SCRIPTS, root / PROVISION[1:])
    shutil.copytree(_HERE / "guest", root / "opt/guest")
    shutil.copy(images.CHECKOUT / "tests/kernels/guest/serve.py", root / "opt/guest")
    shutil.copytree(kernel / "modules", root / "lib/modules", dirs_exist_ok=True)
    images.npm(root)
    units = root / "etc/systemd/system"
    shutil.copy(_HERE / "guest" / _LINE, units)
    (units / "multi-user.target.wants").mkdir(exist_ok=True)
    (units / "multi-user.target.wants" / _LINE).symlink_to(f"../{_LINE}")
    for name in _MASKED:  # nobody types there, and nothing is fetched
        (units / name).symlink_to("/dev/null")


def _wheels(wheel: Path) -> Path:
    """Pratique and all it needs on the three machines, for the Python of the guest."""
    folder = images.CACHE / "wheels"
    shutil.rmtree(folder, ignore_errors=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--disable-pip-version-check",
        "--only-binary=:all:",
    ]
    where = ["--python-version", "3.11", "-d", str(folder), f"{wheel}[{_EXTRAS}]"]
    subprocess.run([*pip, *where], check=True, timeout=600, cwd=images.CHECKOUT)
    return folder
