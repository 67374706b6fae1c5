"""Stand-ins for services behind unix sockets: they answer as a container engine would that did what it was told."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def broker(place: Path) -> Iterator[None]:
    """Listen at `place` meanwhile."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(place))
        sock.listen()
        threading.Thread(target=_answer, args=(sock,), daemon=True).start()
        yield
        sock.shutdown(socket.SHUT_RDWR)


def _answer(sock: socket.socket) -> None:
    while True:
        try:
            connection, _ = sock.accept()
        except OSError:
            return
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}")
