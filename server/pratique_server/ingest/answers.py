"""From expected errors to the status codes of the wire; what is unexpected is logged, and says nothing to hosts."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import grpc

from pratique.api import wire
from pratique_server.errors import CollectorError, FullError, MalformedError, RefusedError, StoreError
from pratique_server.metrics import Metrics

_log = logging.getLogger(__name__)
_CODES: dict[type[CollectorError], grpc.StatusCode] = {
    FullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    MalformedError: grpc.StatusCode.INVALID_ARGUMENT,
    RefusedError: grpc.StatusCode.UNAUTHENTICATED,
    StoreError: grpc.StatusCode.UNAVAILABLE,
}
_STORE_AGAIN = 5.0


@asynccontextmanager
async def answering(context: Any, metrics: Metrics) -> AsyncIterator[None]:
    """Turn errors of the block into the answer of this call."""
    try:
        yield
    except CollectorError as error:
        await _abort(context, metrics, error)
    except (grpc.aio.AbortError, GeneratorExit):
        raise
    except Exception:  # noqa: BLE001 -- a defect, met at the edge
        _log.exception("a call failed")
        metrics.refusals.labels("INTERNAL").inc()
        await context.abort(grpc.StatusCode.INTERNAL, "the collector has a defect; its log says more")


async def _abort(context: Any, metrics: Metrics, error: CollectorError) -> NoReturn:
    code = _CODES.get(type(error), grpc.StatusCode.INTERNAL)
    metrics.refusals.labels(code.name).inc()
    if isinstance(error, StoreError):
        _log.error("%s", error)
    seconds = error.seconds if isinstance(error, FullError) else _STORE_AGAIN
    if code in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE):
        context.set_trailing_metadata(((wire.RETRY_AFTER, str(max(1, int(seconds * 1000)))),))
    await context.abort(code, error.what)
    raise AssertionError


async def spoken(context: Any, protocol: int) -> None:
    """End the call of a host whose wire this collector does not speak."""
    if not wire.OLDEST_PROTOCOL <= protocol <= wire.PROTOCOL:
        says = f"protocol {protocol} is not spoken here: {wire.OLDEST_PROTOCOL} to {wire.PROTOCOL}"
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, says)
