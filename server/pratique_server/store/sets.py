"""Sets of packages that runs installed: equal installs share one, whatever the number of runs and hosts."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from pratique_server.store.records import Batch, Installed
from pratique_server.store.schema import package_set_members, package_sets, runs

_MOST = 50_000


class Sets:
    """Finds or makes the set of an install; remembers sets only after the commit that made them."""

    def __init__(self, insert: Any) -> None:
        self._insert = (
            insert(package_sets)
            .on_conflict_do_nothing(index_elements=[package_sets.c.digest])
            .returning(package_sets.c.number)
        )
        self._members = insert(package_set_members).on_conflict_do_nothing()
        self._known: dict[bytes, int] = {}
        self._fresh: dict[bytes, int] = {}

    def missing(self, connection: Connection, batches: Iterable[Batch]) -> dict[bytes, Sequence[Installed]]:
        """Of the sets that batches name, those that are not stored yet: only their packages need numbers."""
        named = {digest_of(each.installed): each.installed for each in batches if each.installed is not None}
        unknown = sorted(digest for digest in named if digest not in self._known)
        if unknown:
            query = select(package_sets.c.digest, package_sets.c.number)
            found = connection.execute(query.where(package_sets.c.digest.in_(unknown)))
            self._fresh |= dict(map(tuple, found))
        return {digest: named[digest] for digest in unknown if digest not in self._fresh}

    def write(
        self,
        connection: Connection,
        fresh: Iterable[tuple[int, Batch]],
        missing: Mapping[bytes, Sequence[Installed]],
        packages: Mapping[Any, int],
    ) -> None:
        """Store what is missing, and say of each run which set it installed."""
        for digest in sorted(missing):
            self._fresh[digest] = self._make(connection, digest, missing[digest], packages)
        rows = [
            {"at": run, "set": self._number(digest_of(batch.installed))}
            for run, batch in fresh
            if batch.installed is not None
        ]
        if rows:
            connection.execute(_SAY, sorted(rows, key=lambda row: row["at"]))

    def keep(self) -> None:
        """The transaction was committed."""
        if len(self._known) > _MOST:
            self._known.clear()
        self._known |= self._fresh
        self._fresh = {}

    def drop(self) -> None:
        """The transaction was rolled back, or rows went away."""
        self._known, self._fresh = {}, {}

    def _number(self, digest: bytes) -> int:
        return self._fresh.get(digest) or self._known[digest]

    def _make(
        self, connection: Connection, digest: bytes, members: Sequence[Installed], packages: Mapping[Any, int]
    ) -> int:
        """Whoever makes the row writes the members, in the same transaction: a set is whole or not there."""
        row = {"digest": digest, "members": len(members)}
        number = connection.execute(self._insert, row).scalar_one_or_none()
        if number is None:  # another collector did meanwhile
            query = select(package_sets.c.number).where(package_sets.c.digest == digest)
            return int(connection.execute(query).scalar_one())
        rows = {(packages[each.purl], each.digest): each.identity for each in members}
        if rows:
            given = [
                {
                    "package_set": number,
                    "package": package,
                    "digest": content,
                    "identity": rows[package, content],
                }
                for package, content in sorted(rows)
            ]
            connection.execute(self._members, given)
        return int(number)


def digest_of(installed: Sequence[Installed]) -> bytes:
    """What an install is known by: packages, contents and how far their names are believed, in any order."""
    hashed = hashlib.sha256()
    for each in sorted(set(installed)):
        line = f"{each.purl}\0{each.digest}\0{each.identity}\n"
        hashed.update(line.encode("utf-8", "surrogatepass"))
    return hashed.digest()


_SAY = update(runs).where(runs.c.number == bindparam("at")).values(package_set=bindparam("set"))
