"""Who may send: join tokens, hosts, and the certificates they were given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, func, insert, select, update

from pratique_server import moments
from pratique_server.errors import RefusedError, UsageError
from pratique_server.store.database import insert_of, writing
from pratique_server.store.records import Gap
from pratique_server.store.schema import certificates, gaps, hosts, join_tokens
from pratique_server.store.summaries import gap_row


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is remembered of a certificate."""

    serial: str
    not_before: int
    not_after: int


@dataclass(frozen=True, slots=True)
class Denied:
    """Who may not speak any more, though their certificates still look good."""

    hosts: frozenset[str]
    serials: frozenset[str]


class Enrolment:
    """Join tokens, hosts and certificates."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._add_gaps = insert_of(engine)(gaps).on_conflict_do_nothing(
            index_elements=[gaps.c.host, gaps.c.id]
        )

    def make_token(self, digest: str, note: str, author: str, seconds: int, scope: str = "") -> None:
        """Remember a join token by the digest of its secret; it can be used once, and only for `seconds`."""
        now = moments.now()
        row = {"note": note, "scope": scope, "author": author, "created": now}
        with writing(self._engine) as connection:
            connection.execute(
                insert(join_tokens),
                {**row, "digest": bytes.fromhex(digest), "expires": now + seconds * moments.SECOND},
            )

    def tokens(self) -> list[dict[str, Any]]:
        """Every join token, without anything that could be used."""
        query = select(join_tokens, hosts.c.id.label("host_id")).outerjoin_from(
            join_tokens, hosts, join_tokens.c.host == hosts.c.number
        )
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query.order_by(join_tokens.c.created)).mappings()]

    def known(self) -> int:
        """How many hosts ever joined."""
        with self._engine.connect() as connection:
            return int(connection.scalar(select(func.count()).select_from(hosts)) or 0)

    def join(self, digest: str, host: str, name: str, certificate: Certificate) -> None:
        """Use up a token for a new host; `RefusedError` says no more than that it is no good."""
        now = moments.now()
        with writing(self._engine) as connection:
            row = {"id": host, "name": name, "created": now}
            number = connection.execute(insert(hosts).returning(hosts.c.number), row).scalar_one()
            good = (join_tokens.c.digest == bytes.fromhex(digest), join_tokens.c.used.is_(None))
            # One statement decides: two hosts with one token cannot both find it unused.
            used = connection.execute(
                update(join_tokens).where(*good, join_tokens.c.expires > now).values(used=now, host=number)
            )
            if used.rowcount != 1:
                raise RefusedError("the join token is unknown, used up or expired", "make a new one")
            self._certify(connection, number, certificate)

    def renew(self, host: str, certificate: Certificate) -> None:
        """Remember a further certificate of a host; `RefusedError` when it was revoked."""
        with writing(self._engine) as connection:
            self._certify(connection, self._active(connection, host), certificate)

    def revoke(self, host: str) -> None:
        """Let a host in no more: its certificates are denied, and renewals are refused."""
        with writing(self._engine) as connection:
            done = connection.execute(update(hosts).where(hosts.c.id == host).values(state="revoked"))
            if done.rowcount != 1:
                raise UsageError(f"there is no host {host!r}", "pratique-server host list")

    def revoke_certificate(self, serial: str) -> None:
        """Deny one certificate, for instance one that was stolen."""
        with writing(self._engine) as connection:
            known = update(certificates).where(certificates.c.serial == serial)
            if connection.execute(known.values(revoked=moments.now())).rowcount != 1:
                raise UsageError(f"there is no certificate {serial!r}", "pratique-server host show")

    def denied(self) -> Denied:
        """The deny list; certificates that have ended anyway are not on it."""
        serials = select(certificates.c.serial).where(
            certificates.c.revoked.is_not(None), certificates.c.not_after > moments.now()
        )
        with self._engine.connect() as connection:
            return Denied(
                frozenset(connection.scalars(select(hosts.c.id).where(hosts.c.state == "revoked"))),
                frozenset(connection.scalars(serials)),
            )

    def tell(self, host: str, facts: dict[str, Any], told: Sequence[Gap] = ()) -> None:
        """Replace what is known of a host's state unless something newer is known; gaps are added once."""
        newest = bindparam("observed_then", facts["observed"], type_=hosts.c.observed.type)
        with writing(self._engine) as connection:
            number = self._active(connection, host)
            fresh = update(hosts).where(hosts.c.number == number, hosts.c.observed <= newest)
            connection.execute(fresh.values(facts))
            if told:
                connection.execute(self._add_gaps, [gap_row(number, gap) for gap in told])

    def _active(self, connection: Connection, host: str) -> int:
        query = select(hosts.c.number).where(hosts.c.id == host, hosts.c.state == "active")
        number: int | None = connection.execute(query).scalar_one_or_none()
        if number is None:
            raise RefusedError(f"host {host} is not, or no longer, enrolled here", "enrol it again")
        return number

    def _certify(self, connection: Connection, host: int, certificate: Certificate) -> None:
        row = {
            "serial": certificate.serial,
            "host": host,
            "not_before": certificate.not_before,
            "not_after": certificate.not_after,
        }
        connection.execute(insert(certificates), row)
