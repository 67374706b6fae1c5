"""Messages of the control socket: four bytes of length, then one JSON object with the version `v`."""

import json
import socket
import struct
from typing import Any

from pratique.errors import PratiqueError

VERSION = 1
QUESTION = 64 << 10
ANSWER = 64 << 20
_LENGTH = struct.Struct("!I")

Json = dict[str, Any]


class WireError(PratiqueError):
    """The other side said something that is no message, or went away."""


def send(to: socket.socket, message: Json) -> None:
    """Send one message; OSError when the other side is gone."""
    data = json.dumps({"v": VERSION, **message}).encode()
    to.sendall(_LENGTH.pack(len(data)) + data)


def receive(source: socket.socket, largest: int) -> Json:
    """Receive one message of at most `largest` bytes; `WireError` for everything else."""
    (length,) = _LENGTH.unpack(_exactly(source, _LENGTH.size))
    if length > largest:
        raise WireError(f"a message of {length} bytes is too long")
    return parse(_exactly(source, length))


def parse(data: bytes) -> Json:
    """The object in `data`; no byte sequence raises anything but `WireError`."""
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WireError("a message is not JSON") from error
    if not isinstance(message, dict):
        raise WireError("a message is no object")
    if message.get("v") != VERSION:
        raise WireError(
            f"the other side speaks version {str(message.get('v'))[:20]}, this one {VERSION}",
            "restart the daemon after an upgrade: systemctl restart pratiqued",
        )
    return message


def _exactly(source: socket.socket, wanted: int) -> bytes:
    parts = []
    while wanted:
        try:
            part = source.recv(min(wanted, 1 << 16))
        except OSError as error:
            raise WireError(f"no whole message came ({error.strerror or 'too slow'})") from error
        if not part:
            raise WireError("the other side went away")
        parts.append(part)
        wanted -= len(part)
    return b"".join(parts)
