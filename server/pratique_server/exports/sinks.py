"""Where findings go: over HTTP (webhook, OTLP) or to syslog. A sink takes all of what it is given, or raises."""

import hashlib
import hmac
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from pratique_server.errors import StoreError, UsageError
from pratique_server.exports import shapes
from pratique_server.exports.shapes import Row

_SECONDS = 10.0
_GOOD = range(200, 300)


class Sink(Protocol):
    """Something that takes findings."""

    @property
    def name(self) -> str:
        """Under which its place is kept: another address begins anew."""

    def send(self, rows: list[Row]) -> None:
        """Take them all; `StoreError` when that did not work, and the same come again later."""


@dataclass(frozen=True, slots=True)
class Http:
    """JSON to an address, signed when there is a secret to sign with."""

    url: str
    shape: Callable[[list[Row]], object]
    secret: bytes = b""

    @property
    def name(self) -> str:
        """The address."""
        return self.url

    def send(self, rows: list[Row]) -> None:
        """One request; anything but 2xx is a failure, and redirects are not followed."""
        body = json.dumps(self.shape(rows)).encode()
        headers = {"Content-Type": "application/json"}
        if self.secret:
            signature = hmac.new(self.secret, body, hashlib.sha256).hexdigest()
            headers["X-Pratique-Signature"] = f"sha256={signature}"
        request = urllib.request.Request(self.url, body, headers)  # noqa: S310 -- http and https only: `sink`
        try:
            with _OPENER.open(request, timeout=_SECONDS) as answer:
                good = answer.status in _GOOD
        except (OSError, urllib.error.URLError) as error:
            raise StoreError(f"{self.url} takes no findings", str(error)) from error
        if not good:
            raise StoreError(f"{self.url} takes no findings")


@dataclass(frozen=True, slots=True)
class Syslog:
    """RFC 5424 over TCP, each message with its length before it (RFC 6587)."""

    host: str
    port: int

    @property
    def name(self) -> str:
        """The address."""
        return f"syslog://{self.host}:{self.port}"

    def send(self, rows: list[Row]) -> None:
        """One connection for all of them."""
        try:
            with socket.create_connection((self.host, self.port), _SECONDS) as connection:
                for row in rows:
                    said = shapes.syslog(row)
                    connection.sendall(b"%d %s" % (len(said), said))
        except OSError as error:
            raise StoreError(f"{self.name} takes no findings", str(error)) from error


class _Straight(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """Findings go where an administrator said, and nowhere else."""


_OPENER = urllib.request.build_opener(_Straight)
_SHAPES: dict[str, Callable[[list[Row]], object]] = {
    "webhook": lambda rows: {"findings": rows},
    "ocsf": lambda rows: [shapes.ocsf(row) for row in rows],
    "otlp": shapes.otlp,
}


def sink(said: str, secret: str = "") -> Sink:
    """The sink of `webhook=URL`, `ocsf=URL`, `otlp=URL` or `syslog=HOST:PORT`; `UsageError` for anything else."""
    kind, _, address = said.partition("=")
    parts = urlsplit(address if "://" in address else f"//{address}")
    if kind == "syslog" and parts.hostname and parts.port:
        return Syslog(parts.hostname, parts.port)
    if kind in _SHAPES and parts.scheme in ("http", "https") and parts.hostname:
        return Http(address, _SHAPES[kind], secret.encode())
    raise UsageError(f"{said!r} names no sink", "webhook=URL, ocsf=URL, otlp=URL or syslog=HOST:PORT")
