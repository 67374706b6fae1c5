"""The page of a run: what did this install do."""

import json
from typing import Annotated, Any

from fastapi import Query, Request, Response

from pratique_server.errors import MissingError, UsageError
from pratique_server.queries import findings, runs
from pratique_server.queries.pages import Window
from pratique_server.web import processes, timeline
from pratique_server.web.pages.common import Asking, Cursor, Reviewing, Viewer, pages, wanted
from pratique_server.web.queries import runs as beside
from pratique_server.web.rendering import HEADERS

router = pages()
_FILTERS = ("verdict", "host", "manager", "package")
_AT_ONCE = 6_000
_CHILDREN = 200
Host = Annotated[str | None, Query(max_length=80)]


@router.get("/runs")
def show_all(request: Request, review: Reviewing, connection: Asking, window: Cursor) -> Response:
    """A list."""
    chosen = wanted(request, *_FILTERS)
    page = runs.listed(connection, runs.Filter(**chosen), window)
    return review.page(request, "runs.html", {"page": page, "chosen": chosen})


@router.get("/runs/{run}")
def show(request: Request, review: Reviewing, connection: Asking, run: str, host: Host = None) -> Response:
    """One run; what takes long to draw, because the run was long, is drawn after the page is there."""
    known = runs.one(connection, run, host)
    wish = findings.Filter(run=run, host=known["host"])
    context = {
        "run": known,
        "findings": findings.listed(connection, wish, Window(limit=200)).items[::-1],
        "clean": beside.clean_before(connection, known),
        "later": known["events"] > _AT_ONCE,
        **({} if known["events"] > _AT_ONCE else _drawn(review, connection, known)),
    }
    return review.page(request, "run.html", context)


@router.get("/runs/{run}/drawn")
def draw(request: Request, review: Reviewing, connection: Asking, run: str, host: Host = None) -> Response:
    """Timeline and process tree, for a page that is there already."""
    known = runs.one(connection, run, host)
    return review.page(request, "_drawn.html", {"run": known, **_drawn(review, connection, known)})


@router.get("/runs/{run}/below/{number}")
def show_below(
    request: Request,
    review: Reviewing,
    connection: Asking,
    run: str,
    number: int,
    host: Host = None,
    skip: int = 0,
) -> Response:
    """What a process started, when somebody opens it."""
    known = runs.find(connection, run, host)
    tree = processes.Tree(review.events.of(connection, known["number"]).rows)
    if not 0 <= number < len(tree.all) or skip < 0:
        raise MissingError("there is no such process in this run")
    children = tree.all[number].children
    context = {
        "run": known, "nodes_": children[skip : skip + _CHILDREN], "opened": frozenset(), "number": number,
        "left": max(len(children) - skip - _CHILDREN, 0), "skip": skip + _CHILDREN,
    }  # fmt: skip
    return review.page(request, "_below.html", context)


@router.get("/runs/{run}/compare")
def compare(request: Request, review: Reviewing, connection: Asking, run: str, host: Host = None) -> Response:
    """What is different from the last clean run like it."""
    known = runs.one(connection, run, host)
    clean = beside.clean_before(connection, known)
    if clean is None:
        raise UsageError("this host had no clean run before this one", "there is nothing to compare with")
    numbers = known["number"], clean["number"]
    here, there = (beside.acted_in(connection, number) for number in numbers)
    saw, had = (beside.seen_in(connection, number) for number in numbers)
    context = {
        "run": known, "clean": clean, "packages": sorted(here - there), "gone": sorted(there - here),
        "seen": sorted(saw - had), "kept": len(here & there),
    }  # fmt: skip
    return review.page(request, "compare.html", context)


@router.get("/runs/{run}/export.json")
def export(connection: Asking, visit: Viewer, run: str, host: Host = None) -> Response:
    """All that is known of it, as a file."""
    known = runs.one(connection, run, host)
    wish = findings.Filter(run=run, host=known["host"])
    found = findings.listed(connection, wish, Window(limit=500)).items
    whole = {"run": known, "findings": [findings.one(connection, each["number"]) for each in found]}
    name = f'attachment; filename="pratique-{known["id"]}.json"'
    headers = {**HEADERS, "Content-Disposition": name}
    return Response(json.dumps(whole, indent=1), media_type="application/json", headers=headers)


def _drawn(review: Reviewing, connection: Asking, run: dict[str, Any]) -> dict[str, Any]:
    told = review.events.of(connection, run["number"])
    tree = processes.Tree(told.rows)
    lanes, left = timeline.lanes(told.rows, beside.owners(connection, run["number"]))
    return {
        "events": told, "lanes": lanes, "lanes_left": left, "tree": tree, "opened": processes.opened(tree),
        "first": told.rows[0].time_us if told.rows else None, "last": told.rows[-1].time_us if told.rows else None,
        "most": _CHILDREN,
    }  # fmt: skip
