"""Wake the uplink, or start one: light, quick, and never in the way of a run that ends."""

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pratique
from pratique.telemetry.place import Place

# The uplink belongs to the host, not to the directory or the shell of whoever ran something.
_INHERITED = (
    "PATH", "HOME", "XDG_STATE_HOME", "PRATIQUE_STATE_DIR", "PRATIQUE_RUNTIME_DIR", "https_proxy", "no_proxy",
    "grpc_proxy", "SSL_CERT_FILE",
)  # fmt: skip
_LARGEST_LOG = 1 << 20


def poke(place: Place) -> bool:
    """Tell a running uplink that there is work; False when none listens."""
    with socket.socket(
        socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    ) as line:
        try:
            # By the open directory: a long path does not fit into an address.
            folder = os.open(place.folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            line.sendto(b"work", f"/proc/self/fd/{folder}/{place.socket.name}")
        except BlockingIOError:
            return True  # it has pokes it did not read yet
        except OSError:
            return False
        finally:
            os.close(folder)
    return True


def wake(place: Place) -> None:
    """Poke the uplink, or start one that ends by itself once everything is sent."""
    if not poke(place):
        _start(place)


def _start(place: Place) -> None:
    log = _log(place.log)
    quiet = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.posix_spawn(
            sys.executable,
            [sys.executable, "-P", "-m", "pratique", "uplink", "--drain"],
            _environment(),
            file_actions=[
                (os.POSIX_SPAWN_DUP2, quiet, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(quiet)
        os.close(log)


def _environment() -> dict[str, str]:
    own = {"PYTHONPATH": str(Path(pratique.__file__).parent.parent), "LC_ALL": "C.UTF-8"}
    return {name: os.environ[name] for name in _INHERITED if name in os.environ} | own


def _log(path: Path) -> int:
    with suppress(OSError):
        if path.stat().st_size > _LARGEST_LOG:
            path.replace(path.with_suffix(".log.1"))
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o600)
