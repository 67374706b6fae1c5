"""Sign in and out."""

import logging

from fastapi import Request, Response

from pratique_server.errors import RefusedError
from pratique_server.web.access import Forbidden, cookie_name, from_ourselves, within
from pratique_server.web.pages.common import Form, Reviewing, Viewer, pages, to

router = pages()
_log = logging.getLogger(__name__)
_LONGEST = 200


@router.get("/login")
def show(request: Request, review: Reviewing, next: str = "/") -> Response:  # noqa: A002 -- the address says so
    """The form."""
    context = {"next": within(next), "problem": "", "name": ""}
    return review.page(request, "login.html", context)


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
        context = {"next": within(form.get("next", "/")), "problem": str(error), "name": name}
        return review.page(request, "login.html", context, 403)
    review.attempts.passed(name)
    review.store.people.note(person.name, "signed in", person.name)
    answer = to(within(form.get("next", "/")))
    _set(request, answer, review.sessions.begin(person.name))
    return answer


@router.post("/logout")
def sign_out(request: Request, review: Reviewing, visit: Viewer) -> Response:
    """End the session."""
    review.sessions.end(visit.digest)
    answer = to("/login")
    answer.delete_cookie(
        cookie_name(request), secure=request.url.scheme == "https", httponly=True, samesite="lax"
    )
    return answer


def _set(request: Request, answer: Response, secret: str) -> None:
    answer.set_cookie(
        cookie_name(request),
        secret,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
