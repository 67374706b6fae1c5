"""The page of a host: is it guarded."""

from fastapi import Request, Response

from pratique_server.queries import findings, fleet, runs
from pratique_server.queries.pages import Window
from pratique_server.web.links import link
from pratique_server.web.pages.common import Admin, Asking, Cursor, Reviewing, pages, to
from pratique_server.web.queries import findings as finding_queries
from pratique_server.web.queries import fleet as beside

router = pages()


@router.get("/hosts")
def show_all(request: Request, review: Reviewing, connection: Asking, window: Cursor) -> Response:
    """A list."""
    page = fleet.listed(connection, window)
    context = {
        "page": page,
        "open": finding_queries.open_of_hosts(connection, [row["id"] for row in page.items]),
        "silent": {row["id"] for row in beside.silent(connection, 10_000)},
    }
    return review.page(request, "hosts.html", context)


@router.get("/hosts/{host}")
def show(request: Request, review: Reviewing, connection: Asking, host: str) -> Response:
    """One host."""
    known = fleet.one(connection, host)
    context = {
        "host": known,
        "silent": any(row["id"] == host for row in beside.silent(connection, 10_000)),
        "held": beside.held(connection, host),
        "findings": findings.listed(connection, findings.Filter(host=host), Window(limit=8)).items,
        "runs": runs.listed(connection, runs.Filter(host=host), Window(limit=8)).items,
        "levels": beside.LEVELS,
    }
    return review.page(request, "host.html", context)


@router.post("/hosts/{host}/revoke")
def revoke(review: Reviewing, visit: Admin, host: str) -> Response:
    """Let it in no more."""
    review.store.enrolment.revoke(host)
    review.store.people.note(visit.person.name, "host revoked", host)
    return to(link("/hosts", host))
