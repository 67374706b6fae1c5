"""Sign in and out."""

import logging
from typing import Any

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from pratique_server.errors import MissingError, RefusedError
from pratique_server.web.access import Forbidden, cookie_name, from_ourselves, within
from pratique_server.web.pages.common import Form, Reviewing, Viewer, pages, to
from pratique_server.web.provider import Begun, Provider

router = pages()
_log = logging.getLogger(__name__)
_LONGEST = 200
_BEGUN_SECONDS = 600


@router.get("/login")
def show(request: Request, review: Reviewing, next: str = "/") -> Response:  # noqa: A002 -- the address says so
    """The form."""
    return _form(request, review, next)


@router.post("/login")
def sign_in(request: Request, review: Reviewing, form: Form) -> Response:
    """A new session for the right password; whatever session the browser brought is not used."""
    if not from_ourselves(request):
        raise Forbidden("This sign-in did not come from our own page.")
    name, password = form.get("name", "")[:_LONGEST], form.get("password", "")[:_LONGEST]
    try:
        review.attempts.check(name)
        person = review.store.people.by_password(name, password)
    except RefusedError as error:
        review.attempts.failed(name)
        _log.warning("a sign-in was refused")
        return _form(request, review, form.get("next", "/"), str(error), name)
    review.attempts.passed(name)
    review.store.people.note(person.name, "signed in", person.name)
    answer = to(within(form.get("next", "/")))
    _set(request, answer, review.sessions.begin(person.name))
    return answer


@router.get("/login/provider")
def leave(request: Request, review: Reviewing, next: str = "/") -> Response:  # noqa: A002 -- as above
    """Off to the provider of identities, with a cookie that proves the way back to be this browser's."""
    address, begun = _provider(review).begin(_redirect(request), within(next))
    answer = RedirectResponse(address, 303)
    answer.set_cookie(_begun_name(request), begun.cookie(), max_age=_BEGUN_SECONDS, **_kept(request))
    return answer


@router.get("/login/provider/back")
def come_back(request: Request, review: Reviewing) -> Response:
    """A new session for whoever the provider vouches for."""
    try:
        begun = Begun.of(request.cookies.get(_begun_name(request)))
        name, role = _provider(review).finish(begun, _redirect(request), request.query_params)
        person = review.store.people.by_provider(name, role)
    except RefusedError as error:
        _log.warning("a sign-in by the provider was refused: %s", error)
        answer = _form(request, review, "/", str(error))
        answer.delete_cookie(_begun_name(request), **_kept(request))
        return answer
    review.store.people.note(person.name, "signed in", person.name, "by the provider")
    answer = to(within(begun.next))
    answer.delete_cookie(_begun_name(request), **_kept(request))
    _set(request, answer, review.sessions.begin(person.name))
    return answer


@router.post("/logout")
def sign_out(request: Request, review: Reviewing, visit: Viewer) -> Response:
    """End the session."""
    review.sessions.end(visit.digest)
    answer = to("/login")
    answer.delete_cookie(cookie_name(request), **_kept(request))
    return answer


def _form(request: Request, review: Reviewing, back: str, problem: str = "", name: str = "") -> Response:
    provided = review.provider is not None
    context = {"next": within(back), "problem": problem, "name": name, "provided": provided}
    return review.page(request, "login.html", context, 403 if problem else 200)


def _provider(review: Reviewing) -> Provider:
    if review.provider is None:
        raise MissingError("no provider of identities is set up here", "sign in with a password")
    return review.provider


def _redirect(request: Request) -> str:
    return str(request.base_url).rstrip("/") + "/login/provider/back"


def _begun_name(request: Request) -> str:
    return f"{cookie_name(request)}-begun"


def _kept(request: Request) -> dict[str, Any]:
    return {"path": "/", "secure": request.url.scheme == "https", "httponly": True, "samesite": "lax"}


def _set(request: Request, answer: Response, secret: str) -> None:
    answer.set_cookie(cookie_name(request), secret, **_kept(request))
