"""A package registry of npm's kind, on loopback or where it is told: packuments and archives made up by a test."""

import base64
import hashlib
import http.server
import io
import json
import socket
import tarfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

Manifest = Mapping[str, Any]


def packed(manifest: Manifest, files: Mapping[str, str | bytes] | None = None) -> bytes:
    """An archive as `npm pack` makes it; every file may be executed."""
    whole = {**(files or {}), "package.json": json.dumps(manifest)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in whole.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(f"package/{name}")
            member.size, member.mode = len(data), 0o755
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def integrity(archive: bytes) -> str:
    """The digest npm knows an archive by."""
    return f"sha512-{base64.b64encode(hashlib.sha512(archive).digest()).decode()}"


@dataclass
class Registry:
    """Serves what was added, from a thread, between `with` and its end."""

    archives: dict[tuple[str, str], tuple[Manifest, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Paths that were requested, in order."""
    url: str = ""
    listener: socket.socket | None = None
    """Where to serve; None: a free port of loopback."""
    host: str = ""
    """The name archives are linked by; empty: the address."""

    def add(
        self, manifest: Manifest, files: Mapping[str, str | bytes] | None = None, name: str | None = None
    ) -> bytes:
        """Publish a package, under another name than its own if one is given."""
        archive = packed(manifest, files)
        self.archives[name or manifest["name"], manifest["version"]] = (manifest, archive)
        return archive

    def __enter__(self) -> "Registry":
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.asked.append(self.path)
                body = registry._body(unquote(self.path.partition("?")[0]).strip("/"))
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                pass

        self._server = self._bound(Handler)
        address, port = self._server.server_address[:2]
        self.url = f"http://{self.host or str(address)}:{port}/"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _bound(self, handler: type[http.server.BaseHTTPRequestHandler]) -> http.server.ThreadingHTTPServer:
        if self.listener is None:
            return http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        address = self.listener.getsockname()[:2]
        server = http.server.ThreadingHTTPServer(address, handler, bind_and_activate=False)
        server.socket.close()
        server.socket, server.server_address = self.listener, address
        return server

    def _body(self, path: str) -> bytes | None:
        name, is_archive, file = path.partition("/-/")
        if is_archive:
            version = file.removeprefix(f"{name.rpartition('/')[2]}-").removesuffix(".tgz")
            found = self.archives.get((name, version))
            return found[1] if found else None
        versions = {version: each for (owner, version), each in self.archives.items() if owner == name}
        return json.dumps(self._packument(name, versions)).encode() if versions else None

    def _packument(self, name: str, versions: Mapping[str, tuple[Manifest, bytes]]) -> dict[str, Any]:
        short = name.rpartition("/")[2]
        listed = {
            version: {
                **manifest,
                "name": name,
                "hasInstallScript": bool(manifest.get("scripts")) or manifest.get("gypfile", False),
                "dist": {
                    "tarball": f"{self.url}{name}/-/{short}-{version}.tgz",
                    "integrity": integrity(archive),
                    "shasum": hashlib.sha1(archive, usedforsecurity=False).hexdigest(),
                },
            }
            for version, (manifest, archive) in versions.items()
        }
        return {"name": name, "dist-tags": {"latest": list(versions)[-1]}, "versions": listed}
