"""The page of blast radius: who is hit, what leaked."""

import csv
import io
from typing import Annotated, Any

from fastapi import Query, Request, Response
from sqlalchemy import Connection, RowMapping

from pratique_server import moments
from pratique_server.queries import packages
from pratique_server.web.pages.common import Asking, Reviewing, Viewer, pages
from pratique_server.web.queries import blast, decided
from pratique_server.web.rendering import HEADERS
from pratique_server.web.visible import cell

router = pages()
_MOST_DRAWN = 60
_MOST_MARKS = 24
Purl = Annotated[str, Query(max_length=512)]
_COLUMNS = ("host", "host_name", "first", "last", "runs", "events", "net", "refused", "verdict")


@router.get("/blast")
def show(request: Request, review: Reviewing, connection: Asking, purl: Purl = "") -> Response:
    """Everything about one package."""
    if not purl.strip():
        return review.page(request, "blast.html", {"purl": "", "known": None})
    return review.page(request, "blast.html", _known(connection, purl.strip()))


@router.get("/blast.csv")
def export(connection: Asking, visit: Viewer, purl: Purl) -> Response:
    """Who is hit, as a list to work through."""
    known = packages.blast(connection, purl.strip())
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_ALL)
    writer.writerow(_COLUMNS)
    writer.writerows([cell(row[column]) for column in _COLUMNS] for row in known["hosts"])
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="pratique-blast.csv"'}
    return Response(written.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _known(connection: Connection, purl: str) -> dict[str, Any]:
    known = packages.blast(connection, purl, worst=_MOST_DRAWN)
    numbers = blast.meant(connection, purl)
    rows = blast.touched(connection, numbers)
    return {
        "purl": purl,
        "known": known,
        "drawn": _drawn(known["hosts"], blast.by_host(rows)),
        "span": _span(rows),
        "cut": blast.MOST_RUNS if len(rows) >= blast.MOST_RUNS else 0,
        "secrets": blast.secrets(connection, numbers),
        "rebuild": blast.rebuild(connection, numbers, rows),
        "blocks": decided.blocks_of(connection, purl),
    }


def _when(row: RowMapping) -> int:
    when: int = row["started"] or row["received"]
    return when


def _span(rows: Any) -> tuple[int, int]:
    times = [_when(row) for row in rows] or [moments.now()]
    return min(times), max(times)


def _drawn(hit: list[dict[str, Any]], runs: dict[str, list[RowMapping]]) -> list[dict[str, Any]]:
    """A row per host, with a mark where each of its runs was in time; refusals first."""
    first, last = _span([row for rows in runs.values() for row in rows])
    order = sorted(hit, key=lambda row: (-row["refused"], -row["events"], row["first"] or ""))
    return [{**row, "marks": _marks(runs.get(row["host"], []), first, last)} for row in order]


def _marks(rows: list[RowMapping], first: int, last: int) -> list[dict[str, Any]]:
    width = max(last - first, 1)
    places = ({"at": round((_when(row) - first) / width * 96, 1), **row} for row in rows)
    return list({(place["at"], place["verdict"]): place for place in places}.values())[:_MOST_MARKS]
