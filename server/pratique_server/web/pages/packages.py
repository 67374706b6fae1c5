"""The page of a package: who has it, what changed."""

from typing import Annotated, Any

from fastapi import Query, Request, Response
from sqlalchemy import Connection

from pratique_server.errors import UsageError
from pratique_server.queries import packages
from pratique_server.queries.pages import Page
from pratique_server.store import purls
from pratique_server.web import differences
from pratique_server.web.links import link
from pratique_server.web.pages.common import Analyst, Asking, Cursor, Form, Reviewing, given, pages, to
from pratique_server.web.queries import blast, decided, documents
from pratique_server.web.queries import packages as beside
from pratique_server.web.queries import runs as run_queries
from pratique_server.web.review import Review

router = pages()
Purl = Annotated[str, Query(max_length=512)]


@router.get("/packages")
def show_all(
    request: Request, review: Reviewing, connection: Asking, window: Cursor, name: Purl = ""
) -> Response:
    """Versions, the ones first seen last at the top."""
    page = Page(beside.found(connection, name), None) if name else packages.listed(connection, None, window)
    activity = beside.activity(connection, [row["number"] for row in page.items])
    context = {"page": page, "name": name, "activity": activity}
    return review.page(request, "packages.html", context)


@router.get("/package")
def show(request: Request, review: Reviewing, connection: Asking, purl: Purl, against: Purl = "") -> Response:
    """A package: its versions, and what is new in one of them."""
    known = packages.one(connection, purl)
    numbers = beside.numbered(connection, known["name"])
    chosen = purl if purl in numbers else next(iter(numbers))
    earlier = _earlier(list(numbers), chosen, against)
    context = {
        "known": known,
        "chosen": chosen,
        "against": against if against in numbers else (earlier[0] if earlier else None),
        "numbers": numbers,
        "hosts": beside.host_counts(connection, list(numbers.values())),
        "new": _new(review, connection, numbers[chosen], [numbers[each] for each in earlier]),
        "compared": len(earlier),
        "blocks": decided.blocks_of(connection, known["name"]),
        "said": _said(connection, numbers[chosen]),
        "digests": beside.digests(connection, numbers[chosen]),
    }
    return review.page(request, "package.html", context)


@router.post("/package/approve")
def approve(review: Reviewing, visit: Analyst, connection: Asking, form: Form) -> Response:
    """Approve a version: its first runs count as known."""
    purl, reason = given(form, "purl"), given(form, "reason")
    if not blast.meant(connection, purl) or not purls.split(purl)[1]:
        raise UsageError("no host has named this version", "approve what was seen")
    review.store.decisions.approve(purl, reason, visit.person.name, digest=form.get("digest", "")[:256])
    review.store.people.note(visit.person.name, "package approved", purl, reason)
    return to(link("/package", purl=purl))


def _earlier(ordered: list[str], chosen: str, against: str) -> list[str]:
    """The versions that were known before `chosen`, newest first; only one when one is named."""
    if against in ordered and against != chosen:
        return [against]
    return ordered[ordered.index(chosen) + 1 :]


def _new(review: Review, connection: Connection, package: int, earlier: list[int]) -> dict[str, Any]:
    """Names, addresses and paths from the index; commands and files from the latest runs of both."""
    seen = beside.new_in(connection, package, earlier)
    ids = run_queries.ids(connection, [row["run"] for row in seen])
    recent = differences.Acts.of(review.events, connection, [package])
    before = differences.Acts.of(review.events, connection, earlier[:3])
    return {"seen": [{**row, "told": ids.get(row["run"])} for row in seen], "acts": recent.beyond(before)}


def _said(connection: Connection, package: int) -> Any:
    """What the latest run said of it: source, digests, who asked for it."""
    latest = beside.latest_runs(connection, package, 1)
    return documents.package_of(latest[0]["document"]) if latest else None
