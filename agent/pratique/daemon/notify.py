"""sd_notify(3): the service manager learns that we are ready, alive, or ending. Without one, nothing happens."""

import contextlib
import os
import socket

READY = "READY=1"
ALIVE = "WATCHDOG=1"
STOPPING = "STOPPING=1"
RELOADED = "READY=1\nSTATUS=policy reloaded"


def tell(state: str) -> bool:
    """Send a state; False when nobody asked for it or it could not be sent."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    name = f"\0{address[1:]}" if address.startswith("@") else address
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
        to.sendto(state.encode(), socket.MSG_DONTWAIT, name)
        return True
    return False
