"""The page of policy: what is in force, who decided."""

import difflib
from typing import Any, Literal

from fastapi import Request, Response
from sqlalchemy import Connection, RowMapping

from pratique_server.store.decisions import LARGEST_POLICY
from pratique_server.web.links import link
from pratique_server.web.pages.common import Admin, Analyst, Asking, Form, Reviewing, given, pages, to
from pratique_server.web.queries import decided, findings
from pratique_server.web.review import Review

router = pages()
_MOST_LINES = 2_000
_SIGNS = {"+": "added", "-": "removed", "@": "place", " ": "same"}


@router.get("/policy")
def show_all(request: Request, review: Reviewing, connection: Asking) -> Response:
    """What is in force, what waits, and what was before."""
    now = decided.in_force(connection)
    context = {
        "now": now,
        "spread": _spread(review, connection, now),
        "policies": decided.every(connection, "policies"),
        "approvals": decided.every(connection, "approvals", 50),
    }
    return review.page(request, "policy.html", context)


@router.get("/policy/new")
def write(request: Request, review: Reviewing, connection: Asking, visit: Analyst, like: int = 0) -> Response:
    """A form with the policy in force, or an earlier one to go back to."""
    base = decided.one(connection, "policies", like) if like else decided.in_force(connection)
    context = {"document": base["document"] if base else "", "like": like}
    return review.page(request, "policy_new.html", context)


@router.get("/policy/{number}")
def show(request: Request, review: Reviewing, connection: Asking, number: int) -> Response:
    """One policy: what it would change, and who decided."""
    policy = decided.one(connection, "policies", number)
    now = decided.in_force(connection)
    before = now["document"] if now and now["number"] != number else ""
    context = {
        "policy": policy,
        "now": now,
        "lines": _difference(before, policy["document"]),
        "spread": _spread(review, connection, policy if policy["state"] == "in force" else None),
        "history": findings.history(connection, f"policy {number}"),
    }
    return review.page(request, "policy_one.html", context)


@router.post("/policy")
def propose(review: Reviewing, visit: Analyst, form: Form) -> Response:
    """Propose a policy for somebody else to decide on."""
    document, reason = given(form, "document", LARGEST_POLICY), given(form, "reason")
    text = document.replace("\r\n", "\n") + "\n"
    number = review.store.decisions.propose(text, reason, visit.person.name)
    review.store.people.note(visit.person.name, "policy proposed", f"policy {number}", reason)
    return to(link("/policy", number))


@router.post("/policy/{number}/{verdict}")
def decide(review: Reviewing, visit: Admin, number: int, verdict: Literal["accept", "reject"]) -> Response:
    """Put it into force, or turn it down; its author may only turn it down."""
    accept = verdict == "accept"
    review.store.decisions.decide(number, visit.person.name, accept=accept)
    said = "policy accepted" if accept else "policy rejected"
    review.store.people.note(visit.person.name, said, f"policy {number}")
    return to(link("/policy", number))


@router.post("/approvals/{number}/withdraw")
def withdraw(review: Reviewing, visit: Analyst, number: int) -> Response:
    """Take an approval back."""
    review.store.decisions.withdraw(number, visit.person.name)
    review.store.people.note(visit.person.name, "approval withdrawn", f"approval {number}")
    return to("/policy")


def _spread(review: Review, connection: Connection, policy: RowMapping | None) -> dict[str, Any] | None:
    if policy is None or policy["version"] is None:
        return None
    return decided.spread(review.store.decisions, connection, "policy", policy["version"])


def _difference(before: str, after: str) -> list[tuple[str, str]]:
    """Lines with what became of each; the whole document where there was none before."""
    if not before:
        return [("same", line) for line in after.splitlines()[:_MOST_LINES]]
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=3, lineterm="")
    kept = [line for line in lines if not line.startswith(("+++", "---"))]
    return [(_SIGNS.get(line[:1], "same"), line) for line in kept[:_MOST_LINES]]
