"""What can be asked: nothing here changes anything, except that a damaged segment is marked as such."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from pratique_server import moments
from pratique_server.api.access import Json, Reading, Storing, Windowed
from pratique_server.queries import events, findings, fleet, packages, runs, search

router = APIRouter(tags=["questions"])
Purl = Annotated[str, Query(description="package URL, for instance pkg:pypi/evil@1.2.3", max_length=1024)]
Sought = Annotated[str, Query(description="`*` at the end stands for anything")]
Host = Annotated[str | None, Query(description="id of a host")]


class WantedRuns(BaseModel):
    """Which runs are wanted."""

    host: str | None = Field(None, description="id of a host")
    verdict: Literal["clean", "findings", "blocked"] | None = None
    manager: str | None = None
    package: str | None = Field(None, description="package URL that acted in the run")
    since: datetime | None = None
    until: datetime | None = None


class WantedFindings(BaseModel):
    """Which findings are wanted."""

    rule: str | None = None
    severity: Literal["low", "medium", "high", "critical"] | None = None
    action: Literal["audited", "denied", "killed"] | None = None
    act: str | None = None
    state: Literal["open", "acknowledged", "allowed", "blocked"] | None = None
    host: str | None = Field(None, description="id of a host")
    package: str | None = Field(None, description="package URL")
    run: str | None = None


def _moment(date: datetime | None) -> int | None:
    return None if date is None else moments.parse(date.isoformat())


@router.get("/overview")
def overview(connection: Reading) -> Json:
    """Say whether anything is wrong now."""
    return fleet.overview(connection)


@router.get("/runs")
def list_runs(connection: Reading, window: Windowed, wanted: Annotated[WantedRuns, Query()]) -> Json:
    """Guarded runs, the newest arrival first."""
    given = wanted.model_dump(exclude={"since", "until"})
    wish = runs.Filter(**given, since=_moment(wanted.since), until=_moment(wanted.until))
    return asdict(runs.listed(connection, wish, window))


@router.get("/runs/{run}")
def show_run(connection: Reading, run: str, host: Host = None) -> Json:
    """All that is known of a run but its events."""
    return runs.one(connection, run, host)


@router.get("/runs/{run}/events")
def show_events(
    connection: Reading, store: Storing, run: str, host: Host = None, after: Annotated[int, Query(ge=0)] = 0
) -> Json:
    """Events of a run, batch by batch: ask again with `after` set to the answer's `batch` until that is null."""
    return events.after(connection, store, runs.find(connection, run, host)["number"], after)


@router.get("/findings")
def list_findings(connection: Reading, window: Windowed, wanted: Annotated[WantedFindings, Query()]) -> Json:
    """Rules that fired, the newest arrival first."""
    given = wanted.model_dump()
    return asdict(findings.listed(connection, findings.Filter(**given), window))


@router.get("/findings/{number}")
def show_finding(connection: Reading, number: int) -> Json:
    """A finding with its evidence, as in the report of its run."""
    return findings.one(connection, number)


@router.get("/packages")
def list_packages(connection: Reading, window: Windowed, name: str | None = None) -> Json:
    """Package versions that hosts have named, the newest known first."""
    return asdict(packages.listed(connection, name, window))


@router.get("/package")
def show_package(connection: Reading, purl: Purl) -> Json:
    """A package version, the other versions known of it, and what it was found doing."""
    return packages.one(connection, purl)


@router.get("/blast-radius")
def show_blast_radius(connection: Reading, purl: Purl) -> Json:
    """Who installed it, when, and what did it do? Without a version: any version of it."""
    return packages.blast(connection, purl)


@router.get("/hosts")
def list_hosts(
    connection: Reading, window: Windowed, state: Literal["active", "revoked"] | None = None
) -> Json:
    """Enrolled hosts, the newest first."""
    return asdict(fleet.listed(connection, window, state))


@router.get("/hosts/{host}")
def show_host(connection: Reading, host: str) -> Json:
    """A host: what guards it, what it dropped, what it has applied."""
    return fleet.one(connection, host)


@router.get("/search")
def find_anything(connection: Reading, q: Sought) -> Json:
    """One box: package URL, path, address, name, digest, rule, host or run."""
    return search.everything(connection, q)
