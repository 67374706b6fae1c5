"""The two gRPC servers: one behind mutual TLS for hosts, one for strangers that shows who we are and asks little."""

from typing import Any

import grpc

from pratique.api import wire
from pratique.api.v1 import control_pb2_grpc, enrolment_pb2_grpc, health_pb2_grpc, telemetry_pb2_grpc
from pratique_server.config import Address
from pratique_server.errors import UsageError
from pratique_server.pki.issuer import Keyed

_MINUTE = 60_000
_MOST_CALLS = 65_536  # every watching host has one open
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


def for_hosts(
    keyed: Keyed, authorities: bytes, address: Address, services: dict[str, Any]
) -> tuple[Any, int]:
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
    return server, _bind(server, address, _credentials(keyed, authorities))


def for_strangers(keyed: Keyed, address: Address, services: dict[str, Any]) -> tuple[Any, int]:
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
    return server, _bind(server, address, _credentials(keyed, None))


def _credentials(keyed: Keyed, authorities: bytes | None) -> Any:
    """What we show; with `authorities`, whoever calls must show a certificate of theirs.

    Not gRPC's dynamic credentials: a new certificate while two others shake hands ends the process in its core.
    """
    pair = (keyed.key, keyed.chain)
    return grpc.ssl_server_credentials([pair], authorities, require_client_auth=authorities is not None)


def _add(server: Any, services: dict[str, Any], *names: str) -> None:
    for name in names:
        _ADD[name](services[name], server)


def _bind(server: Any, address: Address, credentials: Any) -> int:
    try:
        port: int = server.add_secure_port(str(address), credentials)
    except RuntimeError as error:
        raise UsageError(f"{address} cannot be listened on", "another program may hold it") from error
    return port
