"""The first page: is anything wrong now."""

from typing import Annotated

from fastapi import Header, Request, Response
from sse_starlette import EventSourceResponse

from pratique_server.hunting import watching
from pratique_server.queries import findings as finding_lists
from pratique_server.queries import fleet as fleets
from pratique_server.queries.pages import Window
from pratique_server.web.pages.common import Asking, Reviewing, Viewer, pages
from pratique_server.web.queries import decided, findings, fleet
from pratique_server.web.rendering import HEADERS

router = pages()
_PING = 15


@router.get("/")
def show(request: Request, review: Reviewing, connection: Asking) -> Response:
    """The page."""
    known = fleets.overview(connection)
    context = {
        "known": known,
        "open": findings.open_counts(connection),
        "latest": finding_lists.listed(connection, finding_lists.Filter(), Window(limit=12)).items,
        "newest": findings.newest(connection),
        "incomplete": fleet.incomplete(connection),
        "trend": fleet.trend(known["days"]),
        "coverage": fleet.coverage(connection),
        "levels": fleet.LEVELS,
        "silent": fleet.silent(connection, 5),
        "waiting": decided.waiting(connection),
        "alerts": watching.latest(connection, 3),
    }
    return review.page(request, "overview.html", context)


@router.get("/live")
async def watch(
    review: Reviewing, visit: Viewer, after: int | None = None, last_event_id: Annotated[str, Header()] = ""
) -> Response:
    """Findings as they come."""
    known = int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() else after
    headers = {name: value for name, value in HEADERS.items() if name != "Cache-Control"}
    return EventSourceResponse(review.live.messages(known), ping=_PING, headers=headers)
