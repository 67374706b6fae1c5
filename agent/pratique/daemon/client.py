"""Asking the daemon. Only the standard library: `pratique run` asks before its command starts."""

import socket
from pathlib import Path

from pratique.daemon import places, wire
from pratique.errors import PratiqueError

_PATIENCE = 20.0


class NoDaemonError(PratiqueError):
    """Nobody answers at the control socket."""


class RefusedError(PratiqueError):
    """The daemon answered no."""


def running(socket_path: Path | None = None) -> bool:
    """Whether somebody listens at the control socket."""
    try:
        _connect(socket_path).close()
    except NoDaemonError:
        return False
    return True


def ask(what: str, socket_path: Path | None = None, **more: object) -> wire.Json:
    """The daemon's answer; `NoDaemonError` when there is none, `RefusedError` with its reason if it says no."""
    with _connect(socket_path) as connection:
        try:
            wire.send(connection, {"ask": what, **more})
            answer = wire.receive(connection, wire.ANSWER)
        except OSError as error:
            raise NoDaemonError(f"the daemon does not answer: {error.strerror}") from error
    if not answer.get("ok"):
        raise RefusedError(str(answer.get("what")), str(answer.get("mend") or ""))
    return answer


def _connect(path: Path | None) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_PATIENCE)
    try:
        connection.connect(str(path or places.default().socket))
    except OSError as error:
        connection.close()
        raise NoDaemonError(
            f"the daemon is not running ({error.strerror})", "start it as root: pratique daemon"
        ) from error
    return connection
