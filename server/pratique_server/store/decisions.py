"""What was decided and shall hold on every host: policy, approvals and blocks, as versions of whole documents."""

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Table, case, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from pratique_server import moments
from pratique_server.errors import RefusedError, StoreError, UsageError
from pratique_server.store import blocking
from pratique_server.store.database import insert_of, writing
from pratique_server.store.schema import applications, approvals, blocks, hosts, policies, revisions

KINDS = ("policy", "approvals", "blocks")
LARGEST_POLICY = 1 << 20
_TRIES = 5

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Document:
    """Everything of one kind that holds now."""

    kind: str
    version: int
    policy: str = ""
    entries: tuple[Row, ...] = ()


class Decisions:
    """Policy, approvals, blocks, and how far each host has applied them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = insert_of(engine)

    def propose(self, document: str, reason: str, author: str) -> int:
        """A policy for somebody else to decide on; its number."""
        if len(document.encode()) > LARGEST_POLICY:
            raise UsageError("the policy is larger than 1 MiB")
        digest = "sha256-" + hashlib.sha256(document.encode()).hexdigest()
        row = {"digest": digest, "document": document, "reason": reason, "author": author}
        with writing(self._engine) as connection:
            made = connection.execute(
                insert(policies).returning(policies.c.number), {**row, "created": moments.now()}
            )
            number: int = made.scalar_one()
            return number

    def decide(self, number: int, decider: str, *, accept: bool) -> None:
        """Put a proposed policy into force, or turn it down; who proposed it may only turn it down."""
        query = select(policies.c.author).where(policies.c.number == number, policies.c.state == "proposed")
        with writing(self._engine) as connection:
            author = connection.scalar(query)
            if author is None:
                raise UsageError(f"there is no proposed policy {number}", "pratique-server policy list")
            if accept and author == decider:
                raise RefusedError("a policy is put into force by somebody else than its author")
            decided: Row = {"state": "rejected", "decider": decider, "decided": moments.now()}
            if accept:
                in_force = update(policies).where(policies.c.state == "in force")
                connection.execute(in_force.values(state="retired"))
                decided |= {
                    "state": "in force",
                    "version": self._revise(connection, "policy", f"policy {number}", decider),
                }
            connection.execute(update(policies).where(policies.c.number == number).values(decided))

    def approve(
        self, purl: str, reason: str, author: str, *, digest: str = "", expires: int | None = None
    ) -> int:
        """Approve a package: its first runs count as known on every host."""
        row = {"purl": purl, "reason": reason, "digest": digest, "expires": expires}
        return self._enter(approvals, "approvals", row, author)

    def withdraw(self, number: int, author: str) -> None:
        """Take an approval back."""
        self._end(approvals, "approvals", "withdrawn", number, author)

    def block(self, purl: str, reason: str, author: str) -> int:
        """Block a package, a digest or a host name on every host, whatever else allows it."""
        blocking.kind_of(purl)
        return self._enter(blocks, "blocks", {"purl": purl, "reason": reason}, author)

    def lift(self, number: int, author: str) -> None:
        """End a block."""
        self._end(blocks, "blocks", "lifted", number, author)

    def versions(self) -> dict[str, int]:
        """The newest version of each kind; 0: nothing was ever decided."""
        query = select(revisions.c.kind, func.max(revisions.c.version)).group_by(revisions.c.kind)
        with self._engine.connect() as connection:
            found = dict(map(tuple, connection.execute(query)))
        return {kind: found.get(kind, 0) for kind in KINDS}

    def document(self, kind: str) -> Document:
        """What holds now, with its version, read in one transaction."""
        with self._engine.connect() as connection:
            version = connection.scalar(
                select(func.coalesce(func.max(revisions.c.version), 0)).where(revisions.c.kind == kind)
            )
            if kind == "policy":
                text = connection.scalar(select(policies.c.document).where(policies.c.state == "in force"))
                return Document(kind, version or 0, policy=text or "")
            entries = connection.execute(_IN_FORCE[kind]()).mappings()
            return Document(kind, version or 0, entries=tuple(dict(row) for row in entries))

    def applied(self, host: str, kind: str, version: int, problem: str | None) -> None:
        """A host says what became of a document: `problem` is None when it is in force there."""
        with writing(self._engine) as connection:
            number = connection.scalar(select(hosts.c.number).where(hosts.c.id == host))
            row: Row = {"host": number, "kind": kind, "time": moments.now(), "problem": problem or ""}
            row |= (
                {"version": 0, "failed": version}
                if problem is not None
                else {"version": version, "failed": None}
            )
            statement = self._insert(applications)
            new, old = statement.excluded, applications.c
            newer = case((new.version > old.version, new.version), else_=old.version)
            changes = {"version": newer, **{name: new[name] for name in ("failed", "problem", "time")}}
            connection.execute(
                statement.on_conflict_do_update(index_elements=[old.host, old.kind], set_=changes), row
            )

    def progress(self, kind: str, version: int) -> list[Row]:
        """How far each active host is with a version: applied, failed or pending, and why."""
        joined = hosts.outerjoin(
            applications, (applications.c.host == hosts.c.number) & (applications.c.kind == kind)
        )
        state = case(
            (applications.c.version >= version, "applied"),
            (applications.c.failed >= version, "failed"),
            else_="pending",
        )
        query = (
            select(hosts.c.id, state.label("state"), applications.c.problem, applications.c.time)
            .select_from(joined)
            .where(hosts.c.state == "active")
            .order_by(hosts.c.id)
        )
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _enter(self, table: Table, kind: str, row: Row, author: str) -> int:
        row = {**row, "author": author, "created": moments.now()}
        for attempt in range(_TRIES):
            try:
                with writing(self._engine) as connection:
                    version = self._revise(connection, kind, f"{table.name}: {row['purl']}", author)
                    made = insert(table).returning(table.c.number)
                    number: int = connection.execute(made, {**row, "version": version}).scalar_one()
                    return number
            except IntegrityError as error:  # another collector took the version
                if attempt + 1 == _TRIES:
                    raise StoreError("too many decisions at once", "try again") from error
        raise AssertionError

    def _end(self, table: Table, kind: str, column: str, number: int, author: str) -> None:
        live = update(table).where(table.c.number == number, table.c[column].is_(None))
        with writing(self._engine) as connection:
            if connection.execute(live.values({column: moments.now()})).rowcount != 1:
                raise UsageError(f"no {kind} entry {number} is in force")
            self._revise(connection, kind, f"{column}: {number}", author)

    def _revise(self, connection: Connection, kind: str, cause: str, author: str) -> int:
        """The next version; the primary key sees to it that no version is given twice or committed late."""
        newest = connection.scalar(select(func.max(revisions.c.version)).where(revisions.c.kind == kind))
        row = {"kind": kind, "version": (newest or 0) + 1, "cause": cause, "author": author}
        connection.execute(insert(revisions), {**row, "created": moments.now()})
        return (newest or 0) + 1


def _approved() -> Any:
    lasting = or_(approvals.c.expires.is_(None), approvals.c.expires > moments.now())
    return select(approvals).where(approvals.c.withdrawn.is_(None), lasting).order_by(approvals.c.number)


def _blocked() -> Any:
    return select(blocks).where(blocks.c.lifted.is_(None)).order_by(blocks.c.number)


_IN_FORCE = {"approvals": _approved, "blocks": _blocked}
