"""Hunts over HTTP: searches through all events of closed days, and those worth keeping."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import delete, func, select

from pratique_server import moments
from pratique_server.api.access import Analyst, Json, Reading, Storing
from pratique_server.errors import MissingError
from pratique_server.hunting import watching
from pratique_server.hunting.hunts import Hunt, hunt
from pratique_server.queries.pages import MOST, shown
from pratique_server.store.database import insert_of, writing
from pratique_server.store.schema import hunts, runs

router = APIRouter(tags=["hunts"])


class Saved(BaseModel):
    """A hunt worth keeping."""

    name: str = Field(min_length=1, max_length=128)
    query: str = Field(min_length=3, max_length=256)
    alert: bool = False
    """Ask it of every run that comes from now on; `GET /hunts/alerts` lists what was seen."""


@router.get("/hunt")
def search_events(
    request: Request,
    _: Reading,
    q: Annotated[str, Query(description="text anywhere in an event")],
    act: str | None = None,
    host: str | None = None,
    since: date | None = None,
    until: date | None = None,
) -> Json:
    """Search all events of the days before today (`pratique-server hunt` makes them ready)."""
    days = (since.isoformat() if since else "", until.isoformat() if until else "9999-12-31")
    return hunt(request.app.state.parquet, Hunt(q, act, host, *days))


@router.get("/hunts")
def list_hunts(connection: Reading) -> Json:
    """Hunts that were kept."""
    rows = connection.execute(select(hunts).order_by(hunts.c.name).limit(MOST)).mappings()
    return {"items": [shown(row) for row in rows]}


@router.get("/hunts/alerts")
def list_alerts(connection: Reading) -> Json:
    """What watched hunts saw, the newest first."""
    return {"items": [shown(row) for row in watching.latest(connection, MOST)]}


@router.post("/hunts", status_code=201)
def save(store: Storing, person: Analyst, saved: Saved) -> Json:
    """Keep a hunt, or change one that was kept."""
    statement = insert_of(store.engine)(hunts)
    row: Json = {"name": saved.name, "query": saved.query, "author": person.name, "created": moments.now()}
    changes = {name: statement.excluded[name] for name in ("query", "author", "created", "alert", "reached")}
    with writing(store.engine) as connection:
        newest = connection.scalar(select(func.max(runs.c.number))) or 0
        row |= {"alert": saved.alert, "reached": newest}
        connection.execute(statement.on_conflict_do_update(index_elements=[hunts.c.name], set_=changes), row)
    store.people.note(person.name, "hunt saved", saved.name, saved.query)
    return {"name": saved.name}


@router.delete("/hunts/{name}")
def forget(store: Storing, person: Analyst, name: str) -> Json:
    """Forget a hunt."""
    with writing(store.engine) as connection:
        done = connection.execute(delete(hunts).where(hunts.c.name == name))
    if done.rowcount != 1:
        raise MissingError(f"there is no hunt {name!r}")
    store.people.note(person.name, "hunt forgotten", name)
    return {"name": name}
