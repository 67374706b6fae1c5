"""A package index of the lab, served over HTTP from an address behind the veth, as pip expects it."""

import hashlib
import socket
import threading
from collections import defaultdict
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lab.packages import Package


class Index:
    """Serves `/simple/NAME/` and the files; pip resolves from `url`."""

    def __init__(self, sock: socket.socket, packages: Sequence[Package]) -> None:
        self._pages = _pages(packages)
        host, port = sock.getsockname()[:2]
        self.host, self.url = host, f"http://{host}:{port}/simple/"
        self._server = ThreadingHTTPServer((host, port), self._handler(), bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = sock
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        ).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        pages = self._pages

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.wfile.write(self._begin())

            def do_HEAD(self) -> None:
                self._begin()  # uv asks so before it fetches a wheel

            def _begin(self) -> bytes:
                kind, body = pages.get(self.path, ("text/plain", b""))
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                return body

            def log_message(self, *_: object) -> None:
                """Say nothing: the lab's output is the test's."""

        return Handler


def _pages(packages: Sequence[Package]) -> dict[str, tuple[str, bytes]]:
    pages = {}
    links = defaultdict(list)
    for package in packages:
        data = package.file.read_bytes()
        path = f"/files/{package.file.name}"
        digest = hashlib.sha256(data).hexdigest()
        links[package.name].append(f'<a href="{path}#sha256={digest}">{package.file.name}</a>')
        pages[path] = ("application/gzip", data)
    for name, lines in links.items():
        body = f"<!DOCTYPE html><html><body>{''.join(lines)}</body></html>"
        pages[f"/simple/{name}/"] = ("text/html", body.encode())
    return pages
