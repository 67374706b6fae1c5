"""What can be decided: policy by two people, approvals, blocks, marks; every decision goes on record."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field
from sqlalchemy import select

from pratique_server.api.access import Admin, Analyst, Json, Reading, Storing, Windowed, needs
from pratique_server.queries import findings, fleet
from pratique_server.queries.pages import MOST, shown
from pratique_server.store import blocking
from pratique_server.store.database import writing
from pratique_server.store.decisions import KINDS, LARGEST_POLICY
from pratique_server.store.schema import approvals, blocks, policies, revisions

router = APIRouter(tags=["decisions"])
Number = Annotated[int, Path(ge=1)]
_TABLES = {"policies": policies, "approvals": approvals, "blocks": blocks}
_TEXT = Field(min_length=1, max_length=1024)


class Proposal(BaseModel):
    """A policy file that somebody else shall put into force."""

    document: str = Field(max_length=LARGEST_POLICY)
    reason: str = _TEXT


class Block(BaseModel):
    """What shall be stopped, and why: a package URL (its version may be a range), a digest, or the name of a host."""

    purl: str = Field(min_length=4, max_length=512)
    reason: str = _TEXT


class Entry(BaseModel):
    """A package, and why."""

    purl: str = Field(min_length=5, max_length=512, pattern=r"^pkg:[a-z]+/\S+$")
    reason: str = _TEXT


class Approval(Entry):
    """A package that shall count as known."""

    digest: str = Field(default="", max_length=256)


class Mark(BaseModel):
    """What was made of a finding."""

    state: Literal["open", "acknowledged", "allowed", "blocked"]


class Verdict(BaseModel):
    """What is decided of a proposed policy."""

    accept: bool


@router.get("/decisions/{what}")
def list_decisions(connection: Reading, what: Literal["policies", "approvals", "blocks"]) -> Json:
    """Policies, approvals or blocks, the newest first, with those that no longer hold."""
    table = _TABLES[what]
    rows = connection.execute(select(table).order_by(table.c.number.desc()).limit(MOST)).mappings()
    return {"items": [shown(row) for row in rows]}


@router.get("/progress/{kind}")
def show_progress(
    connection: Reading, store: Storing, kind: Literal["policy", "approvals", "blocks"], version: int = 0
) -> Json:
    """How far each host is with a version of a kind of document; 0: with the newest."""
    version = version or store.decisions.versions()[kind]
    query = select(revisions).where(revisions.c.kind == kind, revisions.c.version == version)
    cause = connection.execute(query).mappings().one_or_none()
    rows = store.decisions.progress(kind, version)
    return {
        "kind": kind,
        "version": version,
        "cause": shown(cause) if cause else None,
        "hosts": [shown(row) for row in rows],
    }


@router.post("/policies", status_code=201)
def propose(store: Storing, person: Analyst, proposal: Proposal) -> Json:
    """Propose a policy."""
    number = store.decisions.propose(proposal.document, proposal.reason, person.name)
    store.people.note(person.name, "policy proposed", str(number), proposal.reason)
    return {"number": number}


@router.post("/policies/{number}/verdict")
def decide(store: Storing, person: Admin, number: Number, verdict: Verdict) -> Json:
    """Put a proposed policy into force, or turn it down; its author may only turn it down."""
    store.decisions.decide(number, person.name, accept=verdict.accept)
    store.people.note(person.name, "policy accepted" if verdict.accept else "policy rejected", str(number))
    return store.decisions.versions()


@router.post("/approvals", status_code=201)
def approve(store: Storing, person: Analyst, entry: Approval) -> Json:
    """Approve a package on every host."""
    number = store.decisions.approve(entry.purl, entry.reason, person.name, digest=entry.digest)
    store.people.note(person.name, "package approved", entry.purl, entry.reason)
    return {"number": number, **store.decisions.versions()}


@router.delete("/approvals/{number}")
def withdraw(store: Storing, person: Analyst, number: Number) -> Json:
    """Take an approval back."""
    store.decisions.withdraw(number, person.name)
    store.people.note(person.name, "approval withdrawn", str(number))
    return store.decisions.versions()


@router.post("/blocks", status_code=201)
def block(store: Storing, person: Analyst, entry: Block) -> Json:
    """Block a package, digest or host name on every host: it reaches hosts that are connected within seconds."""
    number = store.decisions.block(entry.purl, entry.reason, person.name)
    store.people.note(person.name, f"{blocking.kind_of(entry.purl)} blocked", entry.purl, entry.reason)
    return {"number": number, **store.decisions.versions()}


@router.delete("/blocks/{number}")
def lift(store: Storing, person: Analyst, number: Number) -> Json:
    """End a block."""
    store.decisions.lift(number, person.name)
    store.people.note(person.name, "block lifted", str(number))
    return store.decisions.versions()


@router.post("/findings/{number}/state")
def mark(store: Storing, person: Analyst, number: Number, marked: Mark) -> Json:
    """Say what was made of a finding."""
    with writing(store.engine) as connection:
        findings.mark(connection, number, marked.state)
    store.people.note(person.name, "finding marked", str(number), marked.state)
    return {"number": number, "state": marked.state}


@router.delete("/hosts/{host}")
def revoke(store: Storing, person: Admin, host: str) -> Json:
    """Let a host in no more."""
    store.enrolment.revoke(host)
    store.people.note(person.name, "host revoked", host)
    return {"host": host, "state": "revoked"}


@router.get("/audit", dependencies=[Depends(needs("admin"))])
def show_record(connection: Reading, window: Windowed) -> Json:
    """Who decided what."""
    page = fleet.record(connection, window)
    return {"items": page.items, "cursor": page.cursor}


@router.get("/versions")
def show_versions(store: Storing, _: Reading) -> Json:
    """The newest version of each kind of document."""
    versions = store.decisions.versions()
    return {kind: versions[kind] for kind in KINDS}
