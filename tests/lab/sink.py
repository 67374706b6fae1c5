"""The attacker's side: listeners that keep every byte with its time, and answer like a small web server."""

import select
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

_PATIENCE = 2.0
_TURN = 0.005


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one connection or datagram brought."""

    port: int
    time: float
    data: bytes


@dataclass(slots=True)
class Sink:
    """Records what arrives on its sockets; `answers` maps a request path to the body to serve."""

    answers: Mapping[str, bytes] = field(default_factory=dict)
    connections: list[int] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    _sockets: list[socket.socket] = field(default_factory=list)
    _talks: int = 0
    _taking: threading.Lock = field(default_factory=threading.Lock)
    """Held from taking a connection or datagram until it counts: it waits at its socket, or counts, at any time."""

    def serve(self, sock: socket.socket) -> None:
        """Take a listening TCP or bound UDP socket and serve it from a thread until `close`."""
        sock.setblocking(False)
        self._sockets.append(sock)
        loop = self._accept if sock.type == socket.SOCK_STREAM else self._receive
        threading.Thread(target=loop, args=(sock,), daemon=True).start()

    def serve_loopback(self) -> int:
        """Listen on a free port of loopback, as a service of the person would; the port."""
        sock = socket.create_server(("127.0.0.1", 0))
        self.serve(sock)
        port: int = sock.getsockname()[1]
        return port

    def received(self, port: int | None = None) -> bytes:
        """Everything that came, on one port or on all, also what nobody had yet read when it was asked for."""
        deadline = time.monotonic() + 2 * _PATIENCE
        while self._is_busy() and time.monotonic() < deadline:
            time.sleep(_TURN)
        return b"\n".join(item.data for item in self.deliveries if port in (None, item.port))

    def close(self) -> None:
        """Stop listening; what was received stays readable."""
        for sock in self._sockets:
            # shutdown wakes the thread blocked in accept; close alone would leave it there.
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _is_busy(self) -> bool:
        with self._taking:
            return bool(self._talks) or any(_waits(sock) for sock in self._sockets if sock.fileno() >= 0)

    def _accept(self, sock: socket.socket) -> None:
        port = sock.getsockname()[1]
        while True:
            try:
                _waits(sock, None)
                with self._taking:
                    connection, _ = sock.accept()
                    self._talks += 1
            except BlockingIOError:  # whoever was there has left
                continue
            except OSError:
                return
            self.connections.append(port)
            threading.Thread(target=self._converse, args=(connection, port), daemon=True).start()

    def _receive(self, sock: socket.socket) -> None:
        port = sock.getsockname()[1]
        while True:
            try:
                _waits(sock, None)
                with self._taking:
                    data, _ = sock.recvfrom(65535)
                    self.deliveries.append(Delivery(port, time.time(), data))
            except BlockingIOError:
                continue
            except OSError:
                return

    def _converse(self, connection: socket.socket, port: int) -> None:
        with connection:
            connection.settimeout(_PATIENCE)
            data = b""
            try:
                data = _read_request(connection)
            finally:
                with self._taking:
                    self.deliveries.append(Delivery(port, time.time(), data))
                    self._talks -= 1
            body = self.answers.get(_path(data), b"ok\n")
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            with suppress(OSError):
                connection.sendall(head.encode() + body)


def _waits(sock: socket.socket, patience: int | None = 0) -> bool:
    """Whether something waits there to be taken; `OSError` when the socket is closed."""
    if sock.fileno() < 0:
        raise OSError("closed")
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(patience))


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    with suppress(OSError):
        while not _is_complete(data) and (piece := connection.recv(65536)):
            data += piece
    return data


def _is_complete(data: bytes) -> bool:
    head, gap, body = data.partition(b"\r\n\r\n")
    if not gap:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return True


def _path(data: bytes) -> str:
    words = data.split(b"\r\n", 1)[0].split(b" ")
    return words[1].decode("latin-1") if len(words) > 1 else ""
