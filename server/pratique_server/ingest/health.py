"""Says whether this collector takes batches now."""

from typing import Any

from pratique.api import wire
from pratique.api.v1 import health_pb2, health_pb2_grpc
from pratique_server import __version__, moments
from pratique_server.ingest.groups import GroupCommit


class Health(health_pb2_grpc.HealthServiceServicer):
    """The service of `health.proto`."""

    def __init__(self, groups: GroupCommit) -> None:
        self._groups = groups
        self.draining = False

    @property
    def status(self) -> int:
        """One of the words of the wire."""
        if self.draining:
            return health_pb2.HEALTH_STATUS_DRAINING
        failing = self._groups.failing is not None
        return health_pb2.HEALTH_STATUS_FAILING if failing else health_pb2.HEALTH_STATUS_SERVING

    async def Check(self, request: health_pb2.CheckRequest, context: Any) -> Any:  # noqa: N802 -- gRPC
        """Answer a balancer or a person."""
        return health_pb2.CheckResponse(
            status=self.status,  # type: ignore[arg-type]
            version=__version__,
            protocol=wire.PROTOCOL,
            oldest_protocol=wire.OLDEST_PROTOCOL,
            time_us=moments.now(),
        )
