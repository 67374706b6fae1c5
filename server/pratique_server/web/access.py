"""What every request must show: a session, the right role, and for changes that it came from our own pages."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import parse_qsl, quote, urlsplit

from fastapi import Depends, Request

from pratique_server.web.sessions import Visit

LARGEST_FORM = 2 << 20
_MOST_FIELDS = 64
_SAFE = ("GET", "HEAD", "OPTIONS")


class Away(Exception):  # noqa: N818 -- not a failure: somebody has to sign in first
    """The request needs a session; `back` is where it wanted to go."""

    def __init__(self, back: str) -> None:
        self.back = back


class Forbidden(Exception):  # noqa: N818 -- as above: it is an answer
    """The request may not be answered; `why` is for the person who made it."""

    def __init__(self, why: str, status: int = 403) -> None:
        super().__init__(why)
        self.why, self.status = why, status


def cookie_name(request: Request) -> str:
    """`__Host-` binds the cookie to this very host and to TLS; browsers refuse it without."""
    return "__Host-pratique" if request.url.scheme == "https" else "pratique"


async def form(request: Request) -> dict[str, str]:
    """The fields of a form, bounded; nothing of a request that is safe."""
    if request.method in _SAFE:
        return {}
    known = getattr(request.state, "form", None)
    if known is None:
        known = request.state.form = await _read(request)
    return dict(known)


async def _read(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise Forbidden("This is more than a form can hold.", 413)
    try:
        text = body.decode("ascii", "strict")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="replace"))
    except ValueError:
        raise Forbidden("This is not a form.", 400) from None


Form = Annotated[dict[str, str], Depends(form)]


def from_ourselves(request: Request) -> bool:
    """Whether the browser says that one of our own pages made this request."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("host")


def needs(role: str) -> Callable[..., Awaitable[Visit]]:
    """A dependency: the visit of somebody who may do what `role` may; changes also need the session's own token."""

    async def check(request: Request, fields: Form) -> Visit:
        visit: Visit | None = getattr(request.state, "visit", None)
        if visit is None:
            raise Away(_back(request))
        if request.method not in _SAFE:
            _check_source(request, fields, visit)
        if not visit.person.may(role):
            raise Forbidden(f"This needs the role {role}; you are {visit.person.role}.")
        return visit

    return check


def _check_source(request: Request, fields: dict[str, str], visit: Visit) -> None:
    token = request.headers.get("x-csrf") or fields.get("csrf", "")
    if not from_ourselves(request) or not hmac.compare_digest(token.encode(), visit.csrf.encode()):
        raise Forbidden("This change did not come from a page of this session. Load the page again.")


def _back(request: Request) -> str:
    return quote(request.url.path + (f"?{request.url.query}" if request.url.query else ""), safe="")


def within(path: str) -> str:
    """A path of our own to go to, whatever was asked for: never another site."""
    parts = urlsplit(path)
    inside = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc
    return path if inside and path.isprintable() and "\\" not in path else "/"


Viewer = Annotated[Visit, Depends(needs("viewer"))]
Analyst = Annotated[Visit, Depends(needs("analyst"))]
Admin = Annotated[Visit, Depends(needs("admin"))]
