"""The lab's HTTP proxy: whole requests with an absolute URL, and CONNECT; it may itself reach what it is told."""

import http.server
import select
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urlsplit

_PATIENCE = 3.0
_MOST = 1 << 20

Dial = Callable[[str, int], socket.socket]
"""Opens a connection in the namespace in which the proxy stands."""


class Proxy:
    """Serves on a listening socket; `asked` lists what it was asked to reach."""

    def __init__(self, listener: socket.socket, dial: Dial) -> None:
        self.asked: list[str] = []
        host, port = listener.getsockname()[:2]
        self.url = f"http://{host}:{port}"
        self._server = http.server.ThreadingHTTPServer(
            (host, port), _handler(self.asked, dial), bind_and_activate=False
        )
        self._server.socket.close()
        self._server.socket = listener
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


def _handler(asked: list[str], dial: Dial) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append(self.path)
            host, _, port = self.path.rpartition(":")
            self._reach(host.strip("[]"), int(port), None)

        def do_GET(self) -> None:
            asked.append(self.path)
            url = urlsplit(self.path)
            length = min(int(self.headers.get("Content-Length") or 0), _MOST)
            target = url.path + (f"?{url.query}" if url.query else "")
            self.headers.replace_header("Connection", "close") if "Connection" in self.headers else None
            head = f"{self.command} {target} HTTP/1.1\r\n{self.headers.as_string().strip()}\r\n\r\n"
            request = head.replace("\n", "\r\n").replace("\r\r\n", "\r\n").encode() + self.rfile.read(length)
            self._reach(url.hostname or "", url.port or 80, request)

        do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815

        def _reach(self, host: str, port: int, request: bytes | None) -> None:
            self.close_connection = True
            try:
                far = dial(host, port)
            except OSError:
                self.send_error(HTTPStatus.BAD_GATEWAY)
                return
            with far:
                if request is None:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                else:
                    far.sendall(request)
                _carry(self.connection, far)

        def log_message(self, *_: object) -> None:
            """Say nothing: the lab's output is the test's."""

    return Handler


def _carry(near: socket.socket, far: socket.socket) -> None:
    other = {near: far, far: near}
    while True:
        ready, _, _ = select.select(list(other), [], [], _PATIENCE)
        for sock in ready:
            data = sock.recv(65536)
            if not data:
                return
            other[sock].sendall(data)
        if not ready:
            return
