"""Runs in the guest: an install and a first run that nobody wrapped, under the daemon; printed as JSON."""

import json
import os
import signal
import subprocess
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pratique import resources
from pratique.backends.lsm.backend import attachment
from pratique.backends.lsm.programs import OBJECTS
from pratique.daemon import client
from pratique.errors import PratiqueError

ROOT = Path("/root/daemon")
SECRET, LOG, SITE = Path("/root/.aws/credentials"), ROOT / "log", ROOT / "site"
_SOCKET, _PINS = Path("/run/pratique/control.sock"), Path("/run/pratique/bpf")
_STATE = Path("/var/lib/pratique")
_THEFT = """
import os, pathlib, time
def steal():
    try:
        pathlib.Path("{taken}").write_text(pathlib.Path("{secret}").read_text())
    except OSError:
        return False
    return True
def linger():
    time.sleep(float(os.environ.get("LINGER", 0)))
steal()
linger()
"""
_SETUP = "from setuptools import setup\nsetup(name='thief', version='1.0', py_modules=[])\n"
# Reads on after its parent has ended, and after its guard has.
_READER = f"""
import lurker, os, time
if os.fork():
    os._exit(0)
os.setsid()
while True:
    with open("{LOG}", "a") as log:
        log.write(str(int(lurker.steal())))
    time.sleep(0.05)
"""
_WHEEL = {
    "lurker-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: lurker\nVersion: 1.0\n",
    "lurker-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "lurker-1.0.dist-info/RECORD": "lurker.py,,\nlurker-1.0.dist-info/METADATA,,\n",
}


def lay() -> None:
    """One that steals when it is built, and one when it is imported."""
    SECRET.parent.mkdir(exist_ok=True)
    SECRET.write_text("canary")
    source, packed = ROOT / "thief-1.0", ROOT / "dist"
    source.mkdir(parents=True)
    packed.mkdir()
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: thief\nVersion: 1.0\n")
    (source / "setup.py").write_text(_SETUP + _THEFT.format(taken=ROOT / "taken-install", secret=SECRET))
    with tarfile.open(packed / "thief-1.0.tar.gz", "w:gz") as archive:
        archive.add(source, source.name)
    with zipfile.ZipFile(packed / "lurker-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("lurker.py", _THEFT.format(taken=ROOT / "taken-import", secret=SECRET))
        for name, text in _WHEEL.items():
            wheel.writestr(name, text)


def start() -> subprocess.Popen:
    """A daemon that answers."""
    daemon = subprocess.Popen(["pratique", "daemon"], stderr=(ROOT / "said").open("a"))
    until(lambda: asked("status"), 120)
    return daemon


def asked(word: str, **more: object) -> dict[str, Any]:
    """What the daemon answers; nothing while it does not."""
    try:
        return client.ask(word, _SOCKET, **more)
    except (OSError, PratiqueError):
        return {}


def until(true: Callable[[], object], seconds: float) -> None:
    """Wait for it, within limits."""
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.2)


def install(*names: str) -> int:
    """An ordinary pip, started by nobody in particular."""
    pip = ["pip", "install", "-q", "--break-system-packages", "--no-build-isolation", "--no-index"]
    pip += ["--no-deps", "--no-cache-dir", "--target", str(SITE), f"--find-links={ROOT / 'dist'}"]
    return subprocess.run([*pip, *names], cwd=ROOT, capture_output=True, check=False).returncode


def python(code: str, **more: str) -> None:
    """An ordinary interpreter."""
    environment = {**os.environ, "PYTHONPATH": str(SITE), **more}
    # In a group of its own nobody is stopped for a line: see lines.py.
    subprocess.run(["python3", "-c", code], env=environment, cwd="/", check=False, process_group=0)


def read_since() -> str:
    """What the reader has got in the last second: `0` refused, `1` read."""
    LOG.unlink(missing_ok=True)
    until(LOG.exists, 20)
    time.sleep(1)
    return "".join(sorted(set(LOG.read_text()))) if LOG.exists() else ""


def handed_over(daemon: subprocess.Popen, seen: dict[str, object]) -> subprocess.Popen:
    """Have the next daemon, of another version, take over; what was labelled before does not outlive its guard."""
    daemon.terminate()
    daemon.wait()
    seen["between"] = read_since()
    with (resources.probes() / OBJECTS[attachment()]).open("ab") as programs:
        programs.write(b"\0")  # the same programs, by another name
    following = start()
    time.sleep(2)
    LOG.unlink(missing_ok=True)
    time.sleep(2)
    seen["upgraded"] = LOG.exists()
    return following


def refusals(stage: str) -> list[dict[str, Any]]:
    """What the kept reports say was refused in a stage."""
    reports = [json.loads(path.read_text()) for path in _STATE.glob("runs/*.json")]
    keys = ("rule", "action", "act", "actor", "package", "level", "source")
    return [
        {key: found[key] for key in keys}
        for report in reports
        for found in report["findings"]
        if found["stage"] == stage and found["action"] != "audited"
    ]


def main() -> None:
    """Install and import under the daemon; kill it, end it, upgrade it; import once more, unguarded."""
    lay()
    daemon = start()
    seen: dict[str, object] = {"backend": asked("status").get("daemon", {}).get("backend")}
    seen["installed"] = install("thief", "lurker")
    until(lambda: asked("status").get("ended"), 60)
    python("import lurker", LINGER="8")
    python(_READER)
    seen["guarded"] = read_since()
    daemon.kill()
    daemon.wait()
    seen["pinned"] = len(list(_PINS.rglob("link-*")))
    seen["killed"] = read_since()
    seen["unlabelled"] = SECRET.read_text()
    daemon = start()
    seen["again"] = read_since()
    daemon = handed_over(daemon, seen)
    daemon.send_signal(signal.SIGINT)
    seen["status"] = daemon.wait()
    seen["taken"] = sorted(path.name for path in ROOT.glob("taken-*"))
    seen["left"] = [path.name for path in _PINS.rglob("*")]
    python("import lurker")
    seen["control"] = sorted(path.name for path in ROOT.glob("taken-*"))
    seen["build"], seen["first_run"] = refusals("build"), refusals("first-run")
    seen["said"] = (ROOT / "said").read_text()[-3000:]
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
