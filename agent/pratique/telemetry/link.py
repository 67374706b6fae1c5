"""A connection to the collector: every call the agent makes, typed. No other module of the agent imports grpc."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import grpc

from pratique.api.v1 import (
    control_pb2,
    control_pb2_grpc,
    enrolment_pb2,
    enrolment_pb2_grpc,
    telemetry_pb2,
    telemetry_pb2_grpc,
)
from pratique.api.wire import MOST_MESSAGE, RETRY_AFTER
from pratique.errors import UsageError
from pratique.policy import trust
from pratique.telemetry.identity import Identity
from pratique.telemetry.place import Place

_SECOND = 1000
_LONGEST_RETRY = 3600.0
_OPTIONS = (
    ("grpc.keepalive_time_ms", 60 * _SECOND),
    ("grpc.keepalive_timeout_ms", 20 * _SECOND),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.max_receive_message_length", MOST_MESSAGE),
    ("grpc.max_reconnect_backoff_ms", 60 * _SECOND),
    ("grpc.enable_http_proxy", 1),
)

Refusal = grpc.RpcError
# These say that the host itself is not welcome, or too old: trying often would change nothing.
UNWELCOME = frozenset(
    (
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.UNIMPLEMENTED,
    )
)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Which collector this host belongs to."""

    address: str
    """`host:port` of the services behind mutual TLS."""
    host_id: str
    url: str
    """What the person who enrolled it typed."""
    enrolled: float

    def store(self, place: Place) -> None:
        """From now on the host is enrolled."""
        trust.write(place.enrolment, json.dumps(asdict(self), indent=1).encode())

    @classmethod
    def load(cls, place: Place) -> "Enrolment":
        """`UsageError` when the host is not enrolled."""
        try:
            held = json.loads(place.enrolment.read_bytes())
            return cls(str(held["address"]), str(held["host_id"]), str(held["url"]), float(held["enrolled"]))
        except FileNotFoundError:
            raise UsageError(
                "this host is not enrolled", "pratique enroll URL --token TOKEN enrols it"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{place.enrolment} is damaged", "enrol this host again") from error


class Link:
    """A channel behind mutual TLS; a certificate once shown stays with it, so a new one needs a new link."""

    def __init__(self, address: str, identity: Identity, authorities: bytes) -> None:
        credentials = grpc.ssl_channel_credentials(authorities, identity.key, identity.chain)
        self._channel = grpc.secure_channel(address, credentials, options=_OPTIONS)
        self._telemetry: Any = telemetry_pb2_grpc.TelemetryServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._control: Any = control_pb2_grpc.ControlServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._identity: Any = enrolment_pb2_grpc.IdentityServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._put: Any = self._channel.unary_unary(
            "/pratique.api.v1.TelemetryService/PutBatch",
            request_serializer=None,  # the spool holds the very bytes: nothing is parsed or packed again
            response_deserializer=telemetry_pb2.PutBatchResponse.FromString,
        )

    def put_batch(self, message: bytes, timeout: float) -> "grpc.Future[telemetry_pb2.PutBatchResponse]":
        """Send a serialised PutBatchRequest; returns at once."""
        sent: Any = self._put.future(message, timeout=timeout)
        return sent  # type: ignore[no-any-return]

    def put_host(
        self, request: telemetry_pb2.PutHostRequest, timeout: float
    ) -> telemetry_pb2.PutHostResponse:
        """Tell the host's own state."""
        answer: telemetry_pb2.PutHostResponse = self._telemetry.PutHost(request, timeout=timeout)
        return answer

    def renew(self, request: enrolment_pb2.RenewRequest, timeout: float) -> enrolment_pb2.RenewResponse:
        """Ask for a new certificate."""
        answer: enrolment_pb2.RenewResponse = self._identity.Renew(request, timeout=timeout)
        return answer

    def watch(self, request: control_pb2.WatchRequest) -> Iterator[control_pb2.WatchResponse]:
        """What the collector says, until either side ends it; has `cancel()`."""
        answers: Iterator[control_pb2.WatchResponse] = self._control.Watch(request)
        return answers

    def acknowledge(self, request: control_pb2.AcknowledgeRequest, timeout: float) -> None:
        """Say what became of a document."""
        self._control.Acknowledge(request, timeout=timeout)

    def close(self) -> None:
        """End it, and every call on it."""
        self._channel.close()


def enrol(
    address: str, authority: bytes, request: enrolment_pb2.EnrollRequest, timeout: float
) -> enrolment_pb2.EnrollResponse:
    """Ask the collector whose chain leads to `authority` (PEM), and no other, to take this host in."""
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(authority)) as channel:
        stub: Any = enrolment_pb2_grpc.EnrolmentServiceStub(channel)  # type: ignore[no-untyped-call]
        answer: enrolment_pb2.EnrollResponse = stub.Enroll(request, timeout=timeout)
        return answer


def reason(error: BaseException) -> str:
    """An error of a call in a few words."""
    code, details = getattr(error, "code", None), getattr(error, "details", None)
    if code is None or details is None:
        return type(error).__name__
    return f"{code().name}: {str(details())[:200]}"


def code_of(error: BaseException) -> object:
    """The status of a failed call."""
    code = getattr(error, "code", None)
    return code() if code is not None else None


def retry_after(error: BaseException) -> float:
    """Seconds the collector asked for; 0 when it did not say."""
    metadata = getattr(error, "trailing_metadata", None)
    for key, value in (metadata() if metadata is not None else None) or ():
        if key == RETRY_AFTER and str(value).isascii() and str(value).isdigit():
            return min(int(str(value)[:9]) / _SECOND, _LONGEST_RETRY)
    return 0.0


def is_cancelled(code: object) -> bool:
    """The call was ended from here."""
    return code is grpc.StatusCode.CANCELLED


def is_malformed(code: object) -> bool:
    """The request itself is wrong, and will be for ever."""
    return code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE)


def is_its_own(code: object) -> bool:
    """The failure may be that of one batch alone."""
    return code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DEADLINE_EXCEEDED)
