"""Joining a collector: its authority is known by the digest in the token, and nobody else is spoken to."""

import hashlib
import os
import platform
import socket
import struct
import time
from base64 import b64encode
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate
from OpenSSL import SSL

from pratique.api.tokens import JoinToken
from pratique.api.v1 import enrolment_pb2
from pratique.api.wire import PROTOCOL, WireError
from pratique.errors import PratiqueError, UsageError
from pratique.policy import trust
from pratique.telemetry import certificates, link
from pratique.telemetry import identity as identities
from pratique.telemetry.identity import IdentityError
from pratique.telemetry.link import Enrolment
from pratique.telemetry.place import Place

PORT = 7444
_DEADLINE = 15.0
_LONGEST_CHAIN = 10


class EnrolError(PratiqueError):
    """The host could not be enrolled; nothing was changed."""


@dataclass(frozen=True, slots=True)
class _Where:
    host: str
    port: int

    @property
    def address(self) -> str:
        """As gRPC wants it."""
        return _joined(self.host, self.port)


def enrol(place: Place, url: str, token: str, name: str | None = None) -> Enrolment:
    """Trade the token for a certificate and keep both; `EnrolError` says what was wrong, and nothing is kept then."""
    where = _where(url)
    joined = _token(token)
    authority = _pinned(_shown(where), joined.authority)
    key, request = certificates.fresh()
    answer = _asked(where, authority, joined, request, name or platform.node())
    try:
        held = certificates.checked(key, answer.chain, time.time())
        authorities = certificates.authorities(answer.authorities or authority)
    except IdentityError as error:
        raise EnrolError(
            f"the collector sent no certificate: {error}", "update this host, or the collector"
        ) from error
    place.make()
    enrolment = Enrolment(_address(where, answer), answer.host_id, url, time.time())
    trust.write(place.authorities, authorities)
    identities.store(place.identity, held)
    enrolment.store(place)  # the last: with it the host is enrolled
    return enrolment


def leave(place: Place) -> None:
    """Forget the collector, the key and what it pushed; from now on nothing leaves this host."""
    place.enrolment.unlink(missing_ok=True)  # the first: without it the host is not enrolled
    for path in (
        place.identity,
        place.authorities,
        *place.pushed.glob("*.toml"),
        *place.pushed.glob("*.json"),
    ):
        path.unlink(missing_ok=True)


def _where(url: str) -> _Where:
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("", "https") or parts.path.strip("/") or parts.username is not None:
        raise UsageError(f"{url!r} is no address of a collector", "for instance https://collector.example")
    return _Where(host, port or PORT)


def _token(text: str) -> JoinToken:
    try:
        return JoinToken.parse(text)
    except WireError as error:
        raise UsageError(
            f"--token: {error}", "pratique-server token prints one, beginning with pj1."
        ) from error


def _shown(where: _Where) -> list[bytes]:
    """The certificates the collector shows, DER: not believed, only compared with the digest in the token.

    gRPC cannot connect without an authority, and the ssl module tells only the first certificate before Python 3.13.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_NONE)
    try:
        with closing(_line(where)) as plain:
            plain.settimeout(None)  # pyOpenSSL wants a blocking socket; the kernel keeps the deadline
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", int(_DEADLINE), 0))
            line = SSL.Connection(context, plain)
            with suppress(UnicodeError):
                line.set_tlsext_host_name(where.host.encode("idna"))
            line.set_connect_state()
            line.do_handshake()
            chain = line.get_peer_cert_chain(as_cryptography=True) or []
            return [each.public_bytes(Encoding.DER) for each in chain[:_LONGEST_CHAIN]]
    except (OSError, SSL.Error) as error:
        why = str(error) or type(error).__name__
        raise EnrolError(
            f"{where.address} does not answer as a collector: {why[:200]}",
            "check the address, and that it runs",
        ) from error


def _line(where: _Where) -> socket.socket:
    """Straight there, or through the proxy that gRPC will take afterwards."""
    named = os.environ.get("grpc_proxy") or os.environ.get("https_proxy")  # noqa: SIM112 -- as gRPC spells it
    if not named or proxy_bypass(where.host):
        return socket.create_connection((where.host, where.port), timeout=_DEADLINE)
    proxy = urlsplit(named if "//" in named else f"//{named}")
    through = HTTPConnection(proxy.hostname or "", proxy.port or 80, timeout=_DEADLINE)
    login = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
    known = {"Proxy-Authorization": f"Basic {b64encode(login.encode()).decode()}"} if proxy.username else {}
    through.set_tunnel(where.host, where.port, known)
    through.connect()
    return through.sock


def _pinned(shown: list[bytes], digest: bytes) -> bytes:
    """The authority that the token names, PEM, from among what was shown."""
    for certificate in shown:
        if hashlib.sha256(certificate).digest() == digest:
            return _pem(certificate)
    raise EnrolError(
        "the collector shows another authority than the token names: this may be somebody else's collector",
        "check the address, or ask for a new token; nothing was sent",
    )


def _pem(certificate: bytes) -> bytes:
    return load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)


def _asked(
    where: _Where, authority: bytes, token: JoinToken, csr: bytes, name: str
) -> enrolment_pb2.EnrollResponse:
    request = enrolment_pb2.EnrollRequest(
        protocol=PROTOCOL, secret=token.secret, csr=csr, host_name=name[:200]
    )
    try:
        return link.enrol(where.address, authority, request, _DEADLINE)
    except link.Refusal as error:
        raise EnrolError(
            f"the collector did not take this host in: {link.reason(error)}",
            "a token works once and for a while: ask for a new one",
        ) from error


def _address(where: _Where, answer: enrolment_pb2.EnrollResponse) -> str:
    return answer.address or _joined(where.host, answer.port)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
