"""Runs in the guest: first runs that the kernel refuses a file, and who is stopped for a line, printed as JSON."""

import json
import os
import select
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

from daemon import ROOT, SECRET, asked, start, until

from pratique import proc

_TRIES = 3
PACKED, STATE = ROOT / "lines", Path("/var/lib/pratique")
_WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_THEFT = """
def steal():
    try:
        loot = open("{secret}").read()
    except OSError:
        return
    with open("{taken}", "a") as taken:
        taken.write(loot)
def main():
    steal()
"""
# Who blocks SIGCONT finds it waiting after each stop.
_COUNTING = """
import signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCONT])
import lurker
times = 0
for _ in range(20):
    lurker.steal()
    time.sleep(0.2)
    times += signal.sigtimedwait([signal.SIGCONT], 0) is not None
print(times)
"""
_ASKED = "import lurker, sys\nfor line in sys.stdin:\n    lurker.steal()\n    print('on', flush=True)\n"


def wheel(name: str, module: str, **more: str) -> None:
    """A package of one module, that acts when it is imported, and of more files."""
    about = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": module,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
    }
    files |= {f"{about}/WHEEL": _WHEEL, **more}
    record = "".join(f"{file},,\n" for file in (*files, f"{about}/RECORD"))
    with zipfile.ZipFile(PACKED / f"{name}-1.0-py3-none-any.whl", "w") as packed:
        for file, text in (*files.items(), (f"{about}/RECORD", record)):
            packed.writestr(file, text)


def lay() -> dict[str, Path]:
    """One that steals at its import, one by a `.pth` at every start, one by a script; two environments."""
    SECRET.parent.mkdir(exist_ok=True)
    SECRET.write_text("canary")
    PACKED.mkdir(parents=True)
    theft = _THEFT.format(secret=SECRET, taken=ROOT / "taken")
    scripts = {"teller-1.0.dist-info/entry_points.txt": "[console_scripts]\nteller = teller:main\n"}
    wheel("lurker", f"{theft}main()\n")
    wheel("riser", f"{theft}main()\n", **{"riser.pth": "import riser\n"})
    wheel("teller", theft, **scripts)
    houses = {name: ROOT / name for name in ("plain", "haunted", "shop")}
    for house in houses.values():
        subprocess.run(["python3", "-m", "venv", "--without-pip", house], check=True)
    return houses


def install(house: Path, *names: str) -> int:
    """An ordinary pip, started by nobody in particular."""
    pip = ["pip", "install", "-q", "--break-system-packages", "--no-index", "--no-deps", "--no-cache-dir"]
    pip += ["--target", str(site(house)), f"--find-links={PACKED}"]
    return subprocess.run([*pip, *names], cwd=ROOT, check=False).returncode


def site(house: Path) -> Path:
    """Where an environment has its packages."""
    return next(house.glob("lib/python3*/site-packages"))


def first_runs(houses: dict[str, Path]) -> dict[str, list[str]]:
    """Each way to a first run, by the last word of its command."""
    plain, haunted, shop = (str(house / "bin" / "python") for house in houses.values())
    imports = [plain, "-c", "import lurker"]
    return {
        "import": [*imports, "import"],
        "pth": [haunted, "-c", "pass", "pth"],
        "script": [shop, str(site(houses["shop"]) / "bin" / "teller"), "script"],
        "shell": ["sh", "-c", f"{plain} -c 'import lurker' shell; true"],
        # It waits for stops, and would stop itself.
        "nsenter": ["nsenter", "--pid=/proc/self/ns/pid", *imports, "nsenter"],
    }


def told() -> dict[str, list[dict[str, Any]]]:
    """The lines that the reports have for what was refused in first runs, by the last word of the command."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in STATE.glob("runs/*.json"):
        report = json.loads(path.read_text())
        for each in report["findings"]:
            if each["stage"] == "first-run" and each["action"] == "denied":
                lines = found.setdefault(report["run"]["command"][-1], [])
                lines.append(_with_text(each["source"]) | {"package": each["package"], "act": each["act"]})
    return found


def _with_text(source: dict[str, Any] | None) -> dict[str, Any]:
    if source is None:
        return {"quality": None}
    # An interpreter that opened fresh code would be a first run itself.
    sed = ["sed", "-n", f"{source['line']}p", source["file"]]
    text = subprocess.run(sed, capture_output=True, text=True, check=True).stdout.strip()
    return {"quality": source["quality"], "file": Path(source["file"]).name, "text": text}


def run(name: str, command: list[str]) -> int:
    """Its status; tried again where an exact line is wanted, for a stack is read within 0.3 s or not at all."""
    for _ in range(1 if name == "nsenter" else _TRIES):
        status = subprocess.run(command, timeout=90, check=False).returncode
        until(lambda: name in told(), 20)
        if status or any(line["quality"] == "exact" for line in told().get(name, ())):
            break
    return status


class Waiter:
    """A labelled process that steals when it is asked to."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, "-c", _ASKED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self.pid = self._process.pid
        self.ask()
        self.goes_on(60)

    def ask(self) -> None:
        """Have it steal. Right after it went on it is not stopped again: not at once."""
        self._process.stdin.write(b"\n")

    def stops(self) -> bool:
        """Whether it does, soon."""
        deadline = time.monotonic() + 2
        while not self.stands() and time.monotonic() < deadline:
            time.sleep(0.005)
        return self.stands()

    def stands(self) -> bool:
        """Whether it is stopped."""
        return proc.state_of(self.pid) == "T"

    def goes_on(self, seconds: float) -> float | None:
        """After how many seconds it has been refused and goes on; None where it does not."""
        began = time.monotonic()
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return None
        self._process.stdout.readline()
        return time.monotonic() - began

    def end(self) -> None:
        """Let it go."""
        self._process.kill()
        self._process.wait()


def stopped(daemon: subprocess.Popen, waiter: Waiter) -> bool:
    """Freeze the daemon and have the waiter steal: whether it stops; tried again where a beat came too late."""
    for _ in range(_TRIES):
        time.sleep(2)
        daemon.send_signal(signal.SIGSTOP)
        waiter.ask()
        if waiter.stops():
            return True
        daemon.send_signal(signal.SIGCONT)
        waiter.goes_on(10)
    return False


def hung(daemon: subprocess.Popen, waiter: Waiter) -> dict[str, object]:
    """The daemon stays frozen: the guardian lets go."""
    seen: dict[str, object] = {"stopped": stopped(daemon, waiter), "after": waiter.goes_on(10)}
    daemon.send_signal(signal.SIGCONT)
    return seen


def stopped_by_its_user(daemon: subprocess.Popen, waiter: Waiter) -> dict[str, object]:
    """Somebody else stops it as well: that is theirs to undo."""
    seen: dict[str, object] = {"stopped": stopped(daemon, waiter)}
    os.kill(waiter.pid, signal.SIGSTOP)
    # Longer than the guardian waits.
    seen["left"] = waiter.goes_on(2) is None and waiter.stands()
    daemon.send_signal(signal.SIGCONT)
    os.kill(waiter.pid, signal.SIGCONT)
    seen["then"] = waiter.goes_on(10) is not None
    return seen


def killed(daemon: subprocess.Popen, waiter: Waiter) -> dict[str, object]:
    """The daemon dies while somebody is stopped."""
    seen: dict[str, object] = {"stopped": stopped(daemon, waiter)}
    daemon.kill()
    return seen | {"after": waiter.goes_on(10)}


def orphaned(daemon: subprocess.Popen, waiter: Waiter) -> dict[str, object]:
    """The guardian dies as well: the next daemon lets go."""
    listed = subprocess.run(["ps", "-C", "pratique-guard", "-o", "pid="], capture_output=True, check=False)
    seen: dict[str, object] = {"stopped": stopped(daemon, waiter)}
    for pid in map(int, listed.stdout.split()):
        os.kill(pid, signal.SIGKILL)
    daemon.kill()
    daemon.wait()
    seen["left"] = waiter.goes_on(1.5) is None
    following = start()
    seen["next"] = waiter.goes_on(10) is not None
    end(following)
    return seen


def end(daemon: subprocess.Popen) -> None:
    """End the guard."""
    daemon.send_signal(signal.SIGINT)
    daemon.wait()


def counted(python: str, **more: Any) -> int:
    """How often a process was stopped that was refused twenty times and more."""
    done = subprocess.run([python, "-c", _COUNTING], capture_output=True, text=True, check=True, **more)
    return int(done.stdout)


def main() -> None:
    """Every way to a first run; who is not stopped; the daemon hung, killed, orphaned; all of it unguarded."""
    houses = lay()
    plain = str(houses["plain"] / "bin" / "python")
    daemon = start()
    packages = {"plain": "lurker", "haunted": "riser", "shop": "teller"}
    seen: dict[str, Any] = {"installed": [install(houses[name], packages[name]) for name in houses]}
    until(lambda: len(asked("status").get("ended", ())) >= len(houses), 60)
    ways = first_runs(houses)
    seen["status"] = {}
    for name, command in ways.items():
        seen["status"][name] = run(name, command)
    job = subprocess.Popen([plain, "-c", "import lurker", "job"], process_group=0)
    seen["status"]["job"] = job.wait(90)
    seen["storm"], seen["another group"] = counted(plain), counted(plain, process_group=0)
    waiter = Waiter(plain)
    seen["hung"] = hung(daemon, waiter)
    seen["user"] = stopped_by_its_user(daemon, waiter)
    seen["killed"] = killed(daemon, waiter)
    daemon.wait()
    daemon = start()
    seen["orphaned"] = orphaned(daemon, waiter)
    waiter.end()
    seen["taken"] = (ROOT / "taken").exists()
    seen["told"] = told()
    for command in ways.values():
        subprocess.run(command, timeout=90, check=False)
    seen["control"] = (ROOT / "taken").read_text().count("canary") if (ROOT / "taken").exists() else 0
    seen["unguarded"] = counted(plain)
    seen["said"] = (ROOT / "said").read_text()[-3000:]
    sys.stdout.write(json.dumps(seen) + "\n")


main()
