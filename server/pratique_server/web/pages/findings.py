"""The page of a finding: what happened, is it real."""

from fastapi import Request, Response

from pratique_server.errors import UsageError
from pratique_server.queries import findings
from pratique_server.store.database import writing
from pratique_server.web import stanzas
from pratique_server.web.links import link
from pratique_server.web.pages.common import (
    Analyst,
    Asking,
    Cursor,
    Form,
    Reviewing,
    given,
    pages,
    to,
    wanted,
)
from pratique_server.web.queries import decided
from pratique_server.web.queries import findings as beside

router = pages()
_FILTERS = ("state", "severity", "action", "rule", "act", "host", "package", "run")
_MOST_NOTE = 1_000


@router.get("/findings")
def show_all(request: Request, review: Reviewing, connection: Asking, window: Cursor) -> Response:
    """A list."""
    chosen = wanted(request, *_FILTERS)
    page = findings.listed(connection, findings.Filter(**chosen), window)
    context = {"page": page, "chosen": chosen, "states": findings.STATES}
    return review.page(request, "findings.html", context)


@router.get("/findings/{told}")
def show(request: Request, review: Reviewing, connection: Asking, told: str) -> Response:
    """One finding; hosts and reports call it by another name than we do, both lead here."""
    number = int(told) if told.isascii() and told.isdigit() else beside.numbered(connection, told)
    found = findings.one(connection, number or 0)
    context = {
        "found": found,
        "elsewhere": beside.elsewhere(connection, found),
        "history": beside.history(connection, f"finding {number}"),
        "states": findings.STATES,
        "blocks": decided.blocks_of(connection, found["package"]) if found["package"] else [],
        "stanza": stanzas.of(found),
    }
    return review.page(request, "finding.html", context)


@router.post("/findings/{number}/state")
def mark(review: Reviewing, visit: Analyst, form: Form, number: int) -> Response:
    """Say what was made of it."""
    state = given(form, "state")
    with writing(review.store.engine) as connection:
        findings.mark(connection, number, state)
    note = form.get("note", "").strip()[:_MOST_NOTE]
    review.store.people.note(visit.person.name, f"marked {state}", f"finding {number}", note)
    return to(link("/findings", number))


@router.post("/findings/{number}/allow")
def allow(review: Reviewing, visit: Analyst, connection: Asking, form: Form, number: int) -> Response:
    """Propose the policy in force with the stanza that permits this; somebody else decides."""
    stanza = stanzas.of(findings.one(connection, number))
    if not stanza:
        raise UsageError("no stanza can permit this", "the rule is locked, or nobody knows whose code it was")
    reason = given(form, "reason")
    now = decided.in_force(connection)
    document = stanzas.added(now["document"] if now else "", stanza, reason)
    policy = review.store.decisions.propose(document, reason, visit.person.name)
    review.store.people.note(
        visit.person.name, "policy proposed", f"policy {policy}", f"finding {number}: {reason}"
    )
    return to(link("/policy", policy))
