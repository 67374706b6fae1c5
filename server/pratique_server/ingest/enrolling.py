"""Takes strangers in for a join token, and renews the certificates of hosts."""

import asyncio
import os
from base64 import b32encode
from typing import Any

from pratique.api import names, tokens
from pratique.api.v1 import enrolment_pb2, enrolment_pb2_grpc
from pratique_server.errors import RefusedError
from pratique_server.ingest import reading
from pratique_server.ingest.answers import answering, spoken
from pratique_server.ingest.identity import Gate
from pratique_server.metrics import Metrics
from pratique_server.pki.issuer import Issuer
from pratique_server.store.enrolment import Enrolment

_SECRET = 32


def fresh_id() -> str:
    """An id for a host: random, so that none can be guessed or taken again."""
    return "h-" + b32encode(os.urandom(10)).decode().lower()


class Enrolling(enrolment_pb2_grpc.EnrolmentServiceServicer):
    """The enrolment service of `enrolment.proto`: server authentication only."""

    def __init__(self, domain: str, issuer: Issuer, enrolment: Enrolment, metrics: Metrics) -> None:
        self._domain, self._issuer, self._enrolment = domain, issuer, enrolment
        self._metrics = metrics
        self.port = 0
        """Where enrolled hosts go, at the address they came to."""

    async def Enroll(self, request: enrolment_pb2.EnrollRequest, context: Any) -> Any:  # noqa: N802 -- gRPC
        """Trade a token and a certificate request for a certificate."""
        async with answering(context, self._metrics):
            await spoken(context, request.protocol)
            if len(request.secret) != _SECRET:
                raise RefusedError("the join token is unknown, used up or expired")
            host = fresh_id()
            issued = self._issuer.for_host(request.csr, names.host_uri(self._domain, host))
            digest, name = tokens.secret_digest(request.secret), reading.word(request.host_name)
            await asyncio.to_thread(self._enrolment.join, digest, host, name, issued.certificate)
            return enrolment_pb2.EnrollResponse(
                host_id=host,
                chain=issued.chain,
                authorities=self._issuer.authorities,
                port=self.port,
            )


class Identity(enrolment_pb2_grpc.IdentityServiceServicer):
    """The identity service of `enrolment.proto`: mutual TLS."""

    def __init__(
        self, gate: Gate, domain: str, issuer: Issuer, enrolment: Enrolment, metrics: Metrics
    ) -> None:
        self._gate, self._domain, self._issuer = gate, domain, issuer
        self._enrolment, self._metrics = enrolment, metrics

    async def Renew(self, request: enrolment_pb2.RenewRequest, context: Any) -> Any:  # noqa: N802 -- gRPC
        """Give the host that calls a new certificate for its new key."""
        async with answering(context, self._metrics):
            host = self._gate.peer(context).host
            await spoken(context, request.protocol)
            issued = self._issuer.for_host(request.csr, names.host_uri(self._domain, host))
            await asyncio.to_thread(self._enrolment.renew, host, issued.certificate)
            return enrolment_pb2.RenewResponse(chain=issued.chain, authorities=self._issuer.authorities)
