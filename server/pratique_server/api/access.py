"""Who asks, and what they may: a token in the Authorization header, and one of three roles."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Connection

from pratique_server.errors import ForbiddenError, RefusedError
from pratique_server.queries.pages import LIMIT, MOST, Window
from pratique_server.store.people import Person
from pratique_server.store.store import Store

_bearer = HTTPBearer(auto_error=False, description="a token made by: pratique-server user token NAME")


def store_of(request: Request) -> Store:
    """The store this application answers from."""
    store: Store = request.app.state.store
    return store


def person_of(
    store: Annotated[Store, Depends(store_of)],
    shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Person:
    """The person whose token was shown."""
    if shown is None:
        raise RefusedError("a token is needed", "Authorization: Bearer TOKEN")
    return store.people.by_token(shown.credentials)


def needs(role: str) -> Callable[..., Person]:
    """A dependency on somebody who may do what `role` may."""

    def person(asking: Annotated[Person, Depends(person_of)]) -> Person:
        if not asking.may(role):
            raise ForbiddenError(f"{asking.name} is {asking.role}; this takes {role}")
        return asking

    return person


def reading(
    store: Annotated[Store, Depends(store_of)], _: Annotated[Person, Depends(needs("viewer"))]
) -> Iterator[Connection]:
    """A connection to ask with, for anybody who is known."""
    with store.engine.connect() as connection:
        yield connection


def window(
    cursor: Annotated[str | None, Query(description="`cursor` of the answer before")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = LIMIT,
) -> Window:
    """Which part of a list is wanted."""
    return Window(cursor, limit)


Reading = Annotated[Connection, Depends(reading)]
Windowed = Annotated[Window, Depends(window)]
Storing = Annotated[Store, Depends(store_of)]
Analyst = Annotated[Person, Depends(needs("analyst"))]
Admin = Annotated[Person, Depends(needs("admin"))]
Json = dict[str, Any]
