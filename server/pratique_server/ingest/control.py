"""Keeps hosts up to date: whole documents, as soon as a version is newer than the one a host holds."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from pratique.api.v1 import control_pb2, control_pb2_grpc
from pratique_server import moments
from pratique_server.ingest import reading
from pratique_server.ingest.answers import answering, spoken
from pratique_server.ingest.identity import Gate
from pratique_server.metrics import Metrics
from pratique_server.store import blocking
from pratique_server.store.decisions import KINDS, Decisions, Document

_SIGN_OF_LIFE = 30.0
_PROBLEM = 1_024
NUMBERS = {
    "policy": control_pb2.DOCUMENT_KIND_POLICY,
    "approvals": control_pb2.DOCUMENT_KIND_APPROVALS,
    "blocks": control_pb2.DOCUMENT_KIND_BLOCKS,
}
_FIELDS = {"package": "purl", "digest": "digest", "host": "host_name"}
_KINDS = {number: kind for kind, number in NUMBERS.items()}


class Bulletin:
    """The newest documents, read once for all hosts that wait for them."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions
        self._documents: dict[str, control_pb2.Document] = {}
        self._versions = dict.fromkeys(KINDS, 0)
        self._changed = asyncio.Event()

    async def look(self) -> None:
        """Ask the store whether anything was decided, by this collector or by another one."""
        versions = await asyncio.to_thread(self._decisions.versions)
        newer = [kind for kind in KINDS if versions[kind] > self._versions[kind]]
        for kind in newer:
            document = await asyncio.to_thread(self._decisions.document, kind)
            self._documents[kind], self._versions[kind] = _message(document), document.version
        if newer:
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    def wake(self) -> None:
        """Let everybody who waits look around, for instance because some are no longer welcome."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def newer(self, held: dict[str, int]) -> list[tuple[str, control_pb2.Document]]:
        """What is newer than what a host holds."""
        return [(kind, d) for kind, d in self._documents.items() if d.version > held.get(kind, 0)]

    async def wait(self, seconds: float) -> None:
        """Wait for a change, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass


class Control(control_pb2_grpc.ControlServiceServicer):
    """The service of `control.proto`."""

    def __init__(self, gate: Gate, bulletin: Bulletin, decisions: Decisions, metrics: Metrics) -> None:
        self._gate, self._bulletin, self._decisions = gate, bulletin, decisions
        self._metrics = metrics

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 -- gRPC
        """Send what is newer than what the host holds, then whatever changes."""
        async with answering(context, self._metrics):
            self._gate.peer(context)
            await spoken(context, request.protocol)
            held = {_KINDS[each.kind]: each.version for each in request.held if each.kind in _KINDS}
            with self._metrics.watching.track_inprogress():
                while True:
                    for kind, document in self._bulletin.newer(held):
                        held[kind] = document.version
                        yield control_pb2.WatchResponse(document=document, time_us=moments.now())
                    await self._bulletin.wait(_SIGN_OF_LIFE)
                    self._gate.peer(context)  # it may have been revoked, or expired, meanwhile
                    if not self._bulletin.newer(held):
                        yield control_pb2.WatchResponse(time_us=moments.now())

    async def Acknowledge(self, request: control_pb2.AcknowledgeRequest, context: Any) -> Any:  # noqa: N802 -- gRPC
        """Note what became of a document on a host."""
        async with answering(context, self._metrics):
            host = self._gate.peer(context).host
            await spoken(context, request.protocol)
            kind = _KINDS.get(request.kind)
            if kind is not None:
                problem = None if request.applied else reading.text(request.problem, _PROBLEM)
                version = reading.count(request.version)
                await asyncio.to_thread(self._decisions.applied, host, kind, version, problem)
            return control_pb2.AcknowledgeResponse()


def _message(document: Document) -> control_pb2.Document:
    made = control_pb2.Document(kind=NUMBERS[document.kind], version=document.version, policy=document.policy)
    for entry in document.entries:
        if document.kind == "blocks":
            field = _FIELDS[blocking.kind_of(entry["purl"])]
            made.blocks.add(reason=entry["reason"], **{field: entry["purl"]})
        else:
            ends = (entry["expires"] or 0) // moments.SECOND
            made.approvals.add(
                purl=entry["purl"],
                digest=entry["digest"],
                reason=entry["reason"],
                people=[entry["author"]],
                expires_s=ends,
            )
    return made
