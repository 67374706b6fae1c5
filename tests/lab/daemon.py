"""A daemon of the lab: guards one made-up user only, with places of its own, and is surely ended."""

import json
import mmap
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from lab.guard import PRATIQUE, Outcome, run
from lab.ledger import PREFIX, exclusive, new_folder
from lab.world import World
from pratique.backends import pins
from pratique.daemon import client

USER = 61234
"""Nobody of this host: a daemon under test guards the processes of this user and no others."""
_VENV = Path(__file__).parents[2] / ".cache" / "lab-user-venv"
_SYSTEM_PYTHON = Path("/usr/bin/python3")


class Where(NamedTuple):
    """What a daemon is to know besides one world's home."""

    homes: Sequence[Path] = ()
    path: str = os.environ.get("PATH", os.defpath)
    """Where it looks for listed programs."""
    policy: str = ""
    """What an administrator wrote, beside the shipped rules."""


class Daemon:
    """Enter it to have `pratique daemon` run; leave it and neither daemon, pins nor state remain."""

    def __init__(self, world: World | None, options: Sequence[str] = (), where: Where | None = None) -> None:
        self._world, self._options = world, options
        self._where = where or Where()
        self.process: subprocess.Popen[str] | None = None
        self.folder = Path()

    def __enter__(self) -> "Daemon":
        _unmount_leftovers()
        self.folder = new_folder("daemon")
        self.folder.chmod(0o755)
        self._configure()
        if self._world is not None:
            hand_to_user(self._world)
        try:
            self.start()
        except BaseException:
            self._clean()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.end(signal.SIGINT)
        finally:
            self._clean()

    @property
    def socket(self) -> Path:
        """Where it is asked."""
        return self.folder / "run" / "control.sock"

    @property
    def log(self) -> str:
        """What it said so far."""
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> float:
        """Start it; how many seconds it took until it guarded."""
        began = time.monotonic()
        self.process = self._launch()
        until(lambda: self._answers() or self.process is None or self.process.poll() is not None, 20)
        assert self._answers(), self.log
        return time.monotonic() - began

    def end(self, number: signal.Signals, patience: float = 25) -> int:
        """Signal it, and its exit status; SIGKILL after `patience` seconds."""
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            return process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def status(self) -> dict[str, Any]:
        """What `pratique status` is told as root."""
        return client.ask("status", self.socket)

    def report(self, run: str = "") -> dict[str, Any]:
        """The report of a run, or of the newest."""
        report: dict[str, Any] = client.ask("report", self.socket, run=run)["report"]
        return report

    def settled(self, ended: int = 1, patience: float = 15) -> list[dict[str, Any]]:
        """The ended runs, newest first, once there are so many and none is in flight."""
        until(lambda: len(self.status()["ended"]) >= ended and not self.status()["runs"], patience)
        found: list[dict[str, Any]] = self.status()["ended"]
        return found

    def lose_records(self) -> None:
        """Between two daemons: what the kernel has told and nobody has read is gone, as from a ring that was full."""
        with self._kept() as kept:
            ring, page = kept.map("ring").fd, mmap.PAGESIZE
            with (
                mmap.mmap(ring, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE) as consumed,
                mmap.mmap(ring, page, mmap.MAP_SHARED, mmap.PROT_READ, offset=page) as produced,
            ):
                consumed[:8] = produced[:8]

    def labelled(self) -> int:
        """How many processes the kernel has a label of, whether a daemon runs or not."""
        with self._kept() as kept:
            return len(list(kept.map("labels")))

    @contextmanager
    def _kept(self) -> Iterator[pins.Kept]:
        (whole,) = (self.folder / "run" / "bpf").glob("*/whole")
        kept = pins.Kept(whole.parent)
        try:
            yield kept
        finally:
            kept.close()

    def environment(self) -> dict[str, str]:
        """What a client needs to find this daemon."""
        return {
            "PRATIQUE_RUNTIME_DIR": str(self.folder / "run"),
            "PRATIQUE_STATE_DIR": str(self.folder / "state"),
        }

    def second(self) -> subprocess.CompletedProcess[str]:
        """Try to start another one in the same places."""
        return subprocess.run(
            self._command(), env=self._environment(), capture_output=True, text=True, timeout=30, check=False
        )

    def _configure(self) -> None:
        homes = [*map(str, self._where.homes), *([str(self._world.home.folder)] if self._world else [])]
        settings = f"[daemon]\nonly_users = [{USER}]\nhomes = {json.dumps(homes)}\n"
        (self.folder / "daemon.toml").write_text(settings)
        if self._where.policy:  # a lab writes no /etc: what a collector pushed counts as much
            pushed = self.folder / "state" / "collector"
            pushed.mkdir(parents=True)
            (pushed / "lab.toml").write_text(self._where.policy)

    def _command(self) -> list[str]:
        return [str(PRATIQUE), "daemon", "--config", str(self.folder / "daemon.toml"), *self._options]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": self._where.path, **self.environment()}

    def _launch(self) -> subprocess.Popen[str]:
        with (self.folder / "log").open("a") as log:
            return subprocess.Popen(
                self._command(),
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )

    def _answers(self) -> bool:
        try:
            return bool(client.ask("status", self.socket)["daemon"])
        except (client.NoDaemonError, client.RefusedError):
            return False

    def _clean(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        pins.unmount(self.folder / "run" / "bpf")
        shutil.rmtree(self.folder, ignore_errors=True)


def _unmount_leftovers() -> None:
    """Let go of the pins of tests that were killed: `sweep` removes folders, not what is mounted in them."""
    for place in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-daemon-*/run/bpf"):
        owner = place.parts[-3].removeprefix(PREFIX).split("-")[0]
        if not Path("/proc", owner).exists():
            pins.unmount(place)


def user_venv() -> Path:
    """A virtual environment whose Python the made-up user may run; root's own may lie in a closed home."""
    with exclusive("user-venv"):
        if not (_VENV / "ready").exists():
            python = _SYSTEM_PYTHON if _SYSTEM_PYTHON.exists() else None
            if python is None:
                venv.EnvBuilder(clear=True, with_pip=True).create(_VENV)
            else:
                subprocess.run([python, "-m", "venv", "--clear", str(_VENV)], check=True, timeout=120)
            (_VENV / "ready").touch()
    return _VENV


def as_user(
    world: World,
    command: Sequence[str],
    more: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    limit: float = 60.0,
) -> Outcome:
    """Run a command as the made-up user, with nothing of Pratique around it."""
    return run(shed(command), {**environment(world), **(more or {})}, cwd or world.folder, limit=limit)


def shed(command: Sequence[str]) -> list[str]:
    """The command as the made-up user."""
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--", *command]


def environment(world: World) -> dict[str, str]:
    """The lab's environment with a Python that the user may run."""
    held = world.environment()
    return {**held, "PATH": f"{user_venv() / 'bin'}:{os.defpath}:/usr/sbin:/sbin"}


def hand_to_user(world: World) -> None:
    """Let the made-up user own the decoy home and the work folder."""
    for top in (world.home.folder, world.folder, world.programs):
        for path in (top, *top.rglob("*")):
            os.chown(path, USER, USER, follow_symlinks=False)
        top.chmod(0o755)


def until(done: Callable[[], object], patience: float) -> bool:
    """Wait for something, for so long; whether it came."""
    deadline = time.monotonic() + patience
    while not done():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True


def token() -> str:
    """A word nobody else has."""
    return secrets.token_hex(4)
