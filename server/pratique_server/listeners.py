"""The two gRPC servers: one behind mutual TLS for hosts, one for strangers that shows who we are and asks little."""

from typing import Any

import grpc

from pratique.api import wire
from pratique.api.v1 import control_pb2_grpc, enrolment_pb2_grpc, health_pb2_grpc, telemetry_pb2_grpc
from pratique_server import moments
from pratique_server.config import Address
from pratique_server.errors import UsageError
from pratique_server.pki.issuer import Issuer, Keyed

_MINUTE = 60_000
_MOST_CALLS = 4_096
_LARGEST_ENROLMENT = 64 << 10
_OVERHEAD = 64 << 10
_COMMON = (
    ("grpc.so_reuseport", 0),  # a second collector on this port must fail, not share its hosts
    ("grpc.max_connection_age_grace_ms", _MINUTE),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
)

_ADD: dict[str, Any] = {
    "telemetry": telemetry_pb2_grpc.add_TelemetryServiceServicer_to_server,
    "control": control_pb2_grpc.add_ControlServiceServicer_to_server,
    "identity": enrolment_pb2_grpc.add_IdentityServiceServicer_to_server,
    "enrolling": enrolment_pb2_grpc.add_EnrolmentServiceServicer_to_server,
    "health": health_pb2_grpc.add_HealthServiceServicer_to_server,
}


class Shown:
    """The certificate this collector shows, renewed before it ends: gRPC asks at every handshake."""

    def __init__(self, issuer: Issuer, names: tuple[str, ...]) -> None:
        self._issuer, self._names = issuer, names
        self._keyed: Keyed = issuer.for_server(names)

    def mutual(self) -> Any:
        """Credentials that also demand a certificate of our authority."""
        return self._credentials(self._issuer.authorities)

    def server_only(self) -> Any:
        """Credentials that only show who we are."""
        return self._credentials(None)

    def _credentials(self, authorities: bytes | None) -> Any:
        return grpc.dynamic_ssl_server_credentials(
            self._configuration(authorities),
            lambda: self._configuration(authorities),
            authorities is not None,
        )

    def _configuration(self, authorities: bytes | None) -> Any:
        if moments.now() >= self._keyed.renew_at:
            self._keyed = self._issuer.for_server(self._names)
        pair = (self._keyed.key, self._keyed.chain)
        return grpc.ssl_server_certificate_configuration([pair], authorities)


def for_hosts(shown: Shown, address: Address, services: dict[str, Any]) -> tuple[Any, int]:
    """The server for enrolled hosts, and the port it got."""
    server = grpc.aio.server(
        maximum_concurrent_rpcs=_MOST_CALLS,
        options=[
            *_COMMON,
            ("grpc.max_receive_message_length", wire.MOST_MESSAGE + _OVERHEAD),
            # Long connections pin hosts to one collector, and outlive certificates.
            ("grpc.max_connection_age_ms", 30 * _MINUTE),
        ],
    )
    _add(server, services, "telemetry", "control", "identity", "health")
    return server, _bind(server, address, shown.mutual())


def for_strangers(shown: Shown, address: Address, services: dict[str, Any]) -> tuple[Any, int]:
    """The server for hosts that want in, and the port it got."""
    server = grpc.aio.server(
        maximum_concurrent_rpcs=64,
        options=[
            *_COMMON,
            ("grpc.max_receive_message_length", _LARGEST_ENROLMENT),
            ("grpc.max_connection_age_ms", _MINUTE),
        ],
    )
    _add(server, services, "enrolling", "health")
    return server, _bind(server, address, shown.server_only())


def _add(server: Any, services: dict[str, Any], *names: str) -> None:
    for name in names:
        _ADD[name](services[name], server)


def _bind(server: Any, address: Address, credentials: Any) -> int:
    try:
        port: int = server.add_secure_port(str(address), credentials)
    except RuntimeError as error:
        raise UsageError(f"{address} cannot be listened on", "another program may hold it") from error
    return port
