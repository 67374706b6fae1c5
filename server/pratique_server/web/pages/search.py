"""The page of hunts: have we seen X."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from sqlalchemy import Connection

from pratique_server.hunting import watching
from pratique_server.queries import search
from pratique_server.store.database import writing
from pratique_server.web.links import link
from pratique_server.web.pages.common import Analyst, Asking, Form, Reviewing, Viewer, given, pages, to
from pratique_server.web.queries import findings, hunting, packages
from pratique_server.web.rendering import HEADERS
from pratique_server.web.visible import cell

router = pages()
_SHORTEST = 2
_KINDS = ("observables", "packages", "hosts", "runs", "rules", "findings")
Sought = Annotated[str, Query(max_length=hunting.LONGEST)]
_COLUMNS = {
    "observables": ("kind", "value", "runs", "first", "last_run"),
    "packages": ("purl", "first"),
    "hosts": ("id", "name"),
    "runs": ("id", "started", "verdict"),
    "rules": ("rule", "findings"),
    "findings": ("id", "rule", "action", "act", "target", "package", "host", "time"),
}


@router.get("/search")
def show(request: Request, review: Reviewing, connection: Asking, q: Sought = "") -> Response:
    """The box, and what was found."""
    found = _found(connection, q)
    context = {"q": q.strip(), "found": found, "any": any(found.values()), "hunts": hunting.saved(connection)}
    context["alerts"] = watching.latest(connection)
    return review.page(request, "search.html", context)


@router.get("/search.{form}")
def export(connection: Asking, visit: Viewer, form: Literal["csv", "json"], q: Sought = "") -> Response:
    """The same as a file."""
    found = _found(connection, q)
    name = {"Content-Disposition": f'attachment; filename="pratique-search.{form}"'}
    if form == "json":
        text = json.dumps({"query": q, **found}, indent=1)
        return Response(text, media_type="application/json", headers=HEADERS | name)
    return Response(_csv(found), media_type="text/csv; charset=utf-8", headers=HEADERS | name)


@router.post("/hunts")
def keep(review: Reviewing, visit: Analyst, form: Form) -> Response:
    """Keep a question under a name."""
    name, query = given(form, "name", 80), given(form, "q", hunting.LONGEST)
    with writing(review.store.engine) as connection:
        hunting.save(connection, name, query, visit.person.name, alert=form.get("alert") == "on")
    review.store.people.note(visit.person.name, "hunt saved", name, query)
    return to(link("/search", q=query))


@router.post("/hunts/forget")
def forget(review: Reviewing, visit: Analyst, form: Form) -> Response:
    """Keep it no longer."""
    with writing(review.store.engine) as connection:
        hunting.forget(connection, given(form, "name", 80))
    return to("/search")


def _found(connection: Connection, q: str) -> dict[str, Any]:
    """By the whole first; when nothing has that name, by its beginning, and for packages by any part."""
    sought = q.strip()
    if len(sought) < _SHORTEST:
        return {kind: [] for kind in _KINDS}
    rules = hunting.rules_of(connection, sought)
    if rules:
        return {kind: [] for kind in _KINDS} | {"findings": findings.of_rules(connection, rules)}
    found = search.everything(connection, sought)
    if not any(found[kind] for kind in _KINDS if kind in found) and not sought.endswith("*"):
        found = search.everything(connection, f"{sought}*")
        found["packages"] = found["packages"] or packages.found(connection, sought)
    rules = [row["rule"] for row in found["rules"]]
    fired = findings.of_rules(connection, rules) if rules else []
    return {kind: found.get(kind, []) for kind in _KINDS} | {"findings": fired}


def _csv(found: dict[str, Any]) -> str:
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows(_lines(found))
    return written.getvalue()


def _lines(found: dict[str, Any]) -> Iterator[list[str]]:
    for kind, columns in _COLUMNS.items():
        if found[kind]:
            yield ["found", *columns]
            yield from ([kind, *(cell(row.get(column)) for column in columns)] for row in found[kind])
