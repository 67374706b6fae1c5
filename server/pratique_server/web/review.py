"""The review pages as a part of the application: what they share, and how a request is refused."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from pratique_server.errors import CollectorError, ForbiddenError, MissingError, RefusedError, UsageError
from pratique_server.store.store import Store
from pratique_server.web.access import Away, Forbidden, cookie_name
from pratique_server.web.events import EventReader
from pratique_server.web.live import Live
from pratique_server.web.provider import Provider
from pratique_server.web.rendering import Pages
from pratique_server.web.sessions import Attempts, Sessions

_STATUS = {RefusedError: 403, ForbiddenError: 403, MissingError: 404, UsageError: 422}


class Review:
    """What all pages share."""

    def __init__(self, store: Store, provider: Provider | None = None) -> None:
        self.store, self.provider = store, provider
        self.sessions = Sessions(store.engine)
        self.attempts = Attempts()
        self.events = EventReader(store.segments)
        self.pages = Pages()
        self.live = Live(store.engine, self.pages)

    def page(
        self, request: Request, template: str, context: Mapping[str, Any], status: int = 200
    ) -> Response:
        """A page, with how many findings wait in its head."""
        return self.pages.page(request, template, context, status)


class PageRoute(APIRoute):
    """A route whose refusals and mistakes are pages, too; who is signed in is known before anything else runs."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with what every page needs around it."""
        answer = super().get_route_handler()

        async def handler(request: Request) -> Response:
            review: Review = request.app.state.review
            secret = request.cookies.get(cookie_name(request))
            request.state.visit = review.sessions.find(secret) if secret else None
            try:
                return await answer(request)
            except Away as away:
                return _to_sign_in(request, away)
            except Forbidden as refused:
                return _refusal(review, request, refused.status, refused.why, "")
            except CollectorError as error:
                return _refusal(review, request, _STATUS.get(type(error), 503), error.what, error.mend)

        return handler


def _to_sign_in(request: Request, away: Away) -> Response:
    to = f"/login?next={away.back}"
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": "/login"})
    if request.method != "GET" or "text/html" not in request.headers.get("accept", "text/html"):
        return Response("Sign in first.", 401, media_type="text/plain")
    return RedirectResponse(to, 303)


def _refusal(review: Review, request: Request, status: int, what: str, mend: str) -> Response:
    context = {"status": status, "what": what, "mend": mend}
    return review.pages.page(request, "problem.html", context, status)


def review_of(request: Request) -> Review:
    """What the pages of this application share."""
    review: Review = request.app.state.review
    return review


def with_pages(app: FastAPI, provider: Provider | None = None) -> FastAPI:
    """Hang the review pages into an application that has a store; `provider`: who else may vouch for people."""
    from pratique_server.web.pages import ROUTERS  # noqa: PLC0415 -- they import this module

    app.state.review = Review(app.state.store, provider)
    for router in ROUTERS:
        app.include_router(router, include_in_schema=False)
    return app
