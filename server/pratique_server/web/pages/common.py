"""What page modules share: how a route is made, who asks, and where an answer goes."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from pratique_server.errors import UsageError
from pratique_server.queries.pages import Window
from pratique_server.web.access import Admin, Analyst, Form, Viewer
from pratique_server.web.review import PageRoute, Review, review_of

__all__ = [
    "Admin",
    "Analyst",
    "Asking",
    "Cursor",
    "Form",
    "Reviewing",
    "Viewer",
    "given",
    "pages",
    "to",
    "wanted",
]

_LONGEST_REASON = 1_000

Reviewing = Annotated[Review, Depends(review_of)]


def pages() -> APIRouter:
    """A router for pages."""
    return APIRouter(route_class=PageRoute, default_response_class=RedirectResponse)


def asking(review: Reviewing, _: Viewer) -> Iterator[Connection]:
    """A connection to ask with, for anybody who is signed in."""
    with review.store.engine.connect() as connection:
        yield connection


def cursor(cursor: Annotated[str | None, Query(max_length=20)] = None) -> Window:
    """Which part of a list is wanted."""
    return Window(cursor, 50)


Asking = Annotated[Connection, Depends(asking)]
Cursor = Annotated[Window, Depends(cursor)]


def to(address: str) -> RedirectResponse:
    """After a change, its result, so that loading the page again changes nothing twice."""
    return RedirectResponse(address, 303)


def given(form: dict[str, str], name: str, longest: int = _LONGEST_REASON) -> str:
    """A field that must be there."""
    value = form.get(name, "").strip()
    if not value:
        raise UsageError(f"“{name}” is empty", "fill it in")
    if len(value) > longest:
        raise UsageError(f"“{name}” is too long", f"at most {longest} characters")
    return value


def wanted(request: Request, *names: str) -> dict[str, Any]:
    """The filters of a list, out of its address."""
    return {name: value for name in names if (value := request.query_params.get(name))}
