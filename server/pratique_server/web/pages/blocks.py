"""Stop it everywhere, now."""

from fastapi import Request, Response

from pratique_server.store import blocking, purls
from pratique_server.web.links import link
from pratique_server.web.pages.common import Analyst, Asking, Form, Reviewing, Viewer, given, pages, to
from pratique_server.web.queries import blast, decided

router = pages()


@router.get("/blocks")
def show_all(request: Request, review: Reviewing, connection: Asking, purl: str = "") -> Response:
    """Blocks in force, those that were lifted, and the form for a new one."""
    known = blast.meant(connection, purl) if purl else []
    rows = decided.every(connection, "blocks")
    context = {"blocks": rows, "purl": purl[: purls.LONGEST], "known": len(known), "part": False}
    return review.page(request, "blocks.html", context)


@router.post("/blocks")
def block(review: Reviewing, visit: Analyst, form: Form) -> Response:
    """Block a package, a digest or a host name; hosts that are connected hear of it at once."""
    purl, reason = given(form, "purl", purls.LONGEST), given(form, "reason")
    number = review.store.decisions.block(purl, reason, visit.person.name)
    review.store.people.note(
        visit.person.name, f"{blocking.kind_of(purl)} blocked", f"block {number}", f"{purl}: {reason}"
    )
    return to(link("/blocks", number))


@router.get("/blocks/{number}")
def show(request: Request, review: Reviewing, connection: Asking, number: int) -> Response:
    """One block: where it is in force, host by host."""
    row = decided.one(connection, "blocks", number)
    spread = decided.spread(review.store.decisions, connection, "blocks", row["version"])
    context = {"block": row, "spread": spread, "kind": blocking.kind_of(row["purl"])}
    return review.page(request, "block.html", context)


@router.get("/blocks/{number}/spread")
def show_spread(
    request: Request, review: Reviewing, connection: Asking, visit: Viewer, number: int
) -> Response:
    """Only how far it is, for the page that waits for it."""
    row = decided.one(connection, "blocks", number)
    spread = decided.spread(review.store.decisions, connection, "blocks", row["version"])
    return review.page(request, "_spread.html", {"block": row, "spread": spread})


@router.post("/blocks/{number}/lift")
def lift(review: Reviewing, visit: Analyst, number: int) -> Response:
    """End a block."""
    review.store.decisions.lift(number, visit.person.name)
    review.store.people.note(visit.person.name, "block lifted", f"block {number}")
    return to(link("/blocks", number))
