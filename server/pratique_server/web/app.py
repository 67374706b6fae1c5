"""The application: query API, metrics, and the place where the review pages hang."""

import logging
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse

from pratique_server import __version__
from pratique_server.api import decisions, hunting, questions
from pratique_server.api.access import needs
from pratique_server.errors import (
    CollectorError,
    ForbiddenError,
    FullError,
    MissingError,
    RefusedError,
    StoreError,
    UsageError,
)
from pratique_server.metrics import Metrics
from pratique_server.store.people import Person
from pratique_server.store.store import Store

PREFIX = "/api/v1"
_STATUS = {
    RefusedError: 401,
    ForbiddenError: 403,
    MissingError: 404,
    UsageError: 422,
    FullError: 429,
    StoreError: 503,
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_log = logging.getLogger(__name__)


def make_app(store: Store, metrics: Metrics, parquet: Path, *pages: APIRouter) -> FastAPI:
    """The application; `pages` are routers of the review pages, served beside the API from the same store."""
    app = FastAPI(
        title="Pratique collector",
        version=__version__,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.store, app.state.metrics, app.state.parquet = store, metrics, parquet
    app.add_exception_handler(CollectorError, _explain)
    app.middleware("http")(_harden)
    for router in (questions.router, decisions.router, hunting.router):
        app.include_router(router, prefix=PREFIX)
    app.add_api_route("/metrics", _metrics, include_in_schema=False)
    for router in pages:
        app.include_router(router)
    return app


def _metrics(request: Request, _: Annotated[Person, Depends(needs("viewer"))]) -> Response:
    """What the collector says of itself, for Prometheus."""
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.page(), media_type="text/plain; version=0.0.4")


async def _explain(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CollectorError)  # noqa: S101 -- registered for these alone
    status = _STATUS.get(type(error), 500)
    if status >= 500:  # noqa: PLR2004 -- where the fault is ours
        _log.error("%s", error)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None  # noqa: PLR2004 -- as HTTP wants it
    return JSONResponse({"error": error.what, "mend": error.mend}, status, headers)


async def _harden(request: Request, call_next):  # type: ignore[no-untyped-def]
    response = await call_next(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response
