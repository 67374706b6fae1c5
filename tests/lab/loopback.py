"""Stand-ins for remote hosts where nobody is root: loopback addresses that nothing else uses.

To the guard these are services of this machine, which install code may not use either; a lab with hosts that are
really remote is `lab.network`.
"""

import os
import socket
from types import TracebackType

from lab.addresses import ROLES

_FIRST = "127.66"
_FIRST_FREE_PORT = 1024


class Loopback:
    """The same words as `Network`, for one process at a time."""

    def __init__(self) -> None:
        own = f"{_FIRST}.{os.getpid() % 250 + 1}"
        self.near = f"{own}.1"
        self.address = {role: f"{own}.{number}" for role, number in ROLES.items()}
        # What is sent to a mapped address comes to the IPv4 socket.
        self.address6 = {role: f"::ffff:{address}" for role, address in self.address.items()}

    def __enter__(self) -> "Loopback":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was made but sockets, which their owners close."""

    @property
    def sink(self) -> str:
        """Where the loot goes."""
        return self.address["sink"]

    @property
    def sink6(self) -> str:
        """The same by IPv6."""
        return self.address6["sink"]

    def dial(self, address: str, port: int) -> socket.socket:
        """Connect as anybody."""
        return socket.create_connection((address, port), 3)

    def listen(self, address: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """Open a bound (and for TCP listening) socket; where only root may bind, at a port that nobody asks for."""
        held = address.startswith("::ffff:")  # by the IPv4 socket of that port
        opened = socket.socket(socket.AF_INET, kind)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((address.removeprefix("::ffff:"), 0 if held or port < _FIRST_FREE_PORT else port))
        if kind == socket.SOCK_STREAM:
            opened.listen()
        return opened
