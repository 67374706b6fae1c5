"""Takes in batches and the state of hosts."""

import asyncio
import json
import time
from typing import Any

import zstandard

from pratique.api import wire
from pratique.api.v1 import run_pb2, telemetry_pb2, telemetry_pb2_grpc
from pratique_server import moments, wording
from pratique_server.errors import MalformedError
from pratique_server.ingest import reading
from pratique_server.ingest.answers import answering, spoken
from pratique_server.ingest.groups import GroupCommit
from pratique_server.ingest.identity import Gate
from pratique_server.ingest.quotas import Quotas
from pratique_server.metrics import Metrics
from pratique_server.store.enrolment import Enrolment
from pratique_server.store.records import Batch, Outcome

_MOST_ROWS = 512
_LEVEL = 3


class Telemetry(telemetry_pb2_grpc.TelemetryServiceServicer):
    """The service of `telemetry.proto`."""

    def __init__(
        self, gate: Gate, groups: GroupCommit, quotas: Quotas, enrolment: Enrolment, metrics: Metrics
    ) -> None:
        self._gate, self._groups, self._quotas = gate, groups, quotas
        self._enrolment, self._metrics = enrolment, metrics

    async def PutBatch(self, request: telemetry_pb2.PutBatchRequest, context: Any) -> Any:  # noqa: N802 -- gRPC
        """Store one batch, and only then answer."""
        async with answering(context, self._metrics):
            began = time.perf_counter()
            host = self._gate.peer(context).host
            await spoken(context, request.protocol)
            self._quotas.take(host, request.ByteSize())
            received = moments.now()
            try:
                batch = reading.batch(request, host, received)
                outcome = await self._groups.submit(batch)
            except MalformedError as error:
                return self._refused(error.what)
            return self._stored(batch, outcome, time.perf_counter() - began)

    async def PutHost(self, request: telemetry_pb2.PutHostRequest, context: Any) -> Any:  # noqa: N802 -- gRPC
        """Replace what is known of the host."""
        async with answering(context, self._metrics):
            host = self._gate.peer(context).host
            await spoken(context, request.protocol)
            self._quotas.take(host, request.ByteSize())
            gaps = [reading.gap(each) for each in request.host.gaps[: wire.MOST_FINDINGS]]
            facts = _facts(request.host, moments.now())
            await asyncio.to_thread(self._enrolment.tell, host, facts, gaps)
            return telemetry_pb2.PutHostResponse(time_us=moments.now())

    def _stored(self, batch: Batch, outcome: Outcome, seconds: float) -> telemetry_pb2.PutBatchResponse:
        self._metrics.batches.labels(outcome.value).inc()
        self._metrics.seconds.observe(seconds)
        if outcome is Outcome.CONFLICT:
            return self._refusal("this number is taken by a batch with other content")
        if outcome is Outcome.NEW:
            self._metrics.events.inc(batch.segment.events)
            self._metrics.bytes.inc(len(batch.segment.data))
        return telemetry_pb2.PutBatchResponse(
            receipt=telemetry_pb2.RECEIPT_STORED,
            time_us=moments.now(),
            duplicate=outcome is Outcome.DUPLICATE,
        )

    def _refused(self, reason: str) -> telemetry_pb2.PutBatchResponse:
        self._metrics.batches.labels("refused").inc()
        return self._refusal(reason)

    def _refusal(self, reason: str) -> telemetry_pb2.PutBatchResponse:
        return telemetry_pb2.PutBatchResponse(
            receipt=telemetry_pb2.RECEIPT_REFUSED, reason=reason, time_us=moments.now()
        )


def _facts(host: telemetry_pb2.Host, now: int) -> dict[str, Any]:
    observed = reading.moment(host.observed_us)
    return {
        "name": reading.word(host.name),
        "seen": now,
        "observed": observed,
        "skew": observed - now if observed else 0,
        "agent": reading.word(host.versions.get("pratique", "")),
        "kernel": reading.word(host.versions.get("kernel", "")),
        "backend": reading.word(host.backend),
        "coverage": _coverage(host),
        "spool_bytes": reading.count(host.spool_bytes),
        "spool_batches": reading.count(host.spool_batches),
        "oldest": reading.moment(host.oldest_us) or None,
    }


def _coverage(host: telemetry_pb2.Host) -> bytes:
    rows = [_row(each) for each in host.coverage[:_MOST_ROWS]]
    return zstandard.ZstdCompressor(level=_LEVEL).compress(json.dumps(rows).encode())


def _row(row: run_pb2.Coverage) -> dict[str, str | None]:
    return {
        "act": wording.act(row.act),
        "when": reading.word(row.when),
        "level": wording.level(row.level),
        "reason": reading.text(row.reason, 1024),
    }
