"""Stand-ins for remote hosts where nobody is root: loopback addresses that nothing else uses.

To the guard these are services of this machine, which install code may not use either; a lab with hosts that are
really remote is `lab.network`.
"""

import os
import socket
from types import TracebackType

_FIRST = "127.66"


class Loopback:
    """The same words as `Network`: `sink` and `index` are addresses, `listen` opens sockets on them."""

    def __init__(self) -> None:
        own = f"{_FIRST}.{os.getpid() % 250 + 1}"
        self.near, self.sink, self.index = (f"{own}.{number}" for number in (1, 2, 3))
        self.sink6 = f"::ffff:{self.sink}"

    def __enter__(self) -> "Loopback":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was made but sockets, which their owners close."""

    def listen(
        self, address: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM
    ) -> socket.socket | None:
        """Open a bound (and for TCP listening) socket; None for what only root may bind, or what is open already."""
        if port < 1024 or address == self.sink6:  # the IPv4 sockets take what comes to their mapped addresses
            return None
        opened = socket.socket(socket.AF_INET, kind)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((address, port))
        if kind == socket.SOCK_STREAM:
            opened.listen()
        return opened
