"""Who did what."""

from fastapi import Request, Response

from pratique_server.queries import fleet
from pratique_server.web.pages.common import Admin, Asking, Cursor, Reviewing, pages

router = pages()


@router.get("/record")
def show(request: Request, review: Reviewing, connection: Asking, visit: Admin, window: Cursor) -> Response:
    """The record, newest first."""
    context = {"page": fleet.record(connection, window), "people": review.store.people.all()}
    return review.page(request, "record.html", context)
