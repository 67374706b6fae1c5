"""A home with a secret, a program that is listed, a guarded run of one command in it, and the same unguarded."""

import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pratique.backends import decoys
from pratique.backends.base import Command, Host
from pratique.backends.rootless.backend import RootlessBackend
from pratique.model import Event, Settlement
from pratique.words import Actor, Stage

_HERE = Path(__file__).parent
_LIMIT = float(os.environ.get("PRATIQUE_PATIENCE", "90"))
_RUN = 0xB0A7


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a command."""

    status: int | None
    signal: int | None
    out: str
    events: tuple[Event, ...]
    survivors: tuple[int, ...] = ()


def lay(home: Path) -> None:
    """Decoys below a home: a secret that begins with S, a listed program, an innocent twin of each."""
    for folder in (".aws", ".awt", "bin", "free"):
        (home / folder).mkdir()
    (home / ".aws/credentials").write_text("SECRET\n")
    (home / ".awt/credentials").write_text("public\n")
    (home / ".bashrc").write_text("# decoy\n")
    touch = shutil.which("touch") or "/usr/bin/touch"
    shutil.copy(touch, home / "bin/crontab")
    shutil.copy(shutil.which("true") or "/usr/bin/true", home / "bin/crontac")


def compiled(name: str, *flags: str) -> Path:
    """The C program `name`, where everybody may start it."""
    place = Path(tempfile.gettempdir()) / f"pratique-{name}-{os.getuid()}-{os.getpid()}"
    if not place.exists():
        subprocess.run(["gcc", "-O1", "-pthread", *flags, "-o", place, _HERE / f"{name}.c"], check=True)
        place.chmod(0o755)
    return place


def unguarded(home: Path, argv: Sequence[str], environment: Mapping[str, str]) -> Done:
    """Run it to its end without the guard."""
    done = subprocess.run(
        argv, input="go\n", env=_environment(home, environment), cwd=home, capture_output=True, text=True,
        timeout=_LIMIT, check=False,
    )  # fmt: skip
    return Done(done.returncode, None, done.stdout, ())


def guarded(
    home: Path,
    argv: Sequence[str],
    environment: Mapping[str, str],
    actor: Actor = Actor.PACKAGE,
    meanwhile: Callable[[], None] = lambda: None,
) -> Done:
    """Run it to its end as that actor; standard input is opened to it once it is labelled."""
    backend = RootlessBackend(Host([str(home)], str(home), ()))
    reading, writing = os.pipe()
    out, said = os.pipe()
    events: list[Event] = []
    os.dup2(reading, 0)
    os.dup2(said, 1)
    backend.start(decoys.policy(), _RUN)
    try:
        pid = backend.spawn(Command(list(argv), str(home), _environment(home, environment)))
        backend.label(pid, _as(actor))
        os.write(writing, b"go\n")
        deadline = time.monotonic() + _LIMIT
        while (ended := backend.ended()) is None and time.monotonic() < deadline:
            for event in backend.events(0.05):
                events.append(event)
                if event.exec is not None and event.exec.pending:
                    backend.settle(event, _as(Actor.PACKAGE), 1, ())
            meanwhile()
        survivors = tuple(backend.survivors())
        events += backend.events(0)
    finally:
        backend.finish()
        backend.close()
    os.set_blocking(out, False)
    text = os.read(out, 1 << 16).decode() if _readable(out) else ""
    if ended is None:
        raise AssertionError("the command did not end")
    return Done(ended.exit_status, ended.signal, text, tuple(events), survivors)


def _as(actor: Actor) -> Settlement:
    return Settlement(actor, Stage.SCRIPT, new_origin=True, reason="test")


def _environment(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    return {"HOME": str(home), "PATH": os.defpath, "LANG": "C.UTF-8", **more}


def _readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])
