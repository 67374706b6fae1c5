"""Who asks: users with a role, their tokens, and the record of what they did."""

import hashlib
import hmac
import os
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

import argon2
from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from pratique_server import moments
from pratique_server.errors import RefusedError, UsageError
from pratique_server.store.database import writing
from pratique_server.store.schema import api_tokens, audit, users

ROLES = ("viewer", "analyst", "admin")
"""Each may do what those before it may."""

_PREFIX = "pa1_"
_HASHER = argon2.PasswordHasher()
_NOBODYS = _HASHER.hash("nobody has this password")
_SHORTEST = 10


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who proved who they are."""

    name: str
    role: str

    def may(self, role: str) -> bool:
        """Whether this person may do what `role` may."""
        return ROLES.index(self.role) >= ROLES.index(role)


class People:
    """Users, their tokens and the audit record."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, name: str, role: str, password: str | None = None) -> None:
        """A new user; without a password only tokens let them in."""
        if role not in ROLES:
            raise UsageError(f"{role!r} is no role", f"one of {', '.join(ROLES)}")
        if password is not None and len(password) < _SHORTEST:
            raise UsageError("the password is too short", f"at least {_SHORTEST} characters")
        hashed = None if password is None else _HASHER.hash(password)
        row = {"name": name, "role": role, "password": hashed, "created": moments.now()}
        try:
            with writing(self._engine) as connection:
                connection.execute(insert(users), row)
        except IntegrityError:
            raise UsageError(f"there is a user {name!r} already") from None

    def all(self) -> list[dict[str, Any]]:
        """Every user, without secrets."""
        query = select(users.c.name, users.c.role, users.c.created, users.c.disabled).order_by(users.c.name)
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def disable(self, name: str) -> None:
        """Let a user in no more, by no token either."""
        with writing(self._engine) as connection:
            known = update(users).where(users.c.name == name)
            if connection.execute(known.values(disabled=moments.now())).rowcount != 1:
                raise UsageError(f"there is no user {name!r}", "pratique-server user list")

    def by_password(self, name: str, password: str) -> Person:
        """The person; an unknown name takes as long as a wrong password."""
        query = select(users).where(users.c.name == name, users.c.disabled.is_(None))
        with self._engine.connect() as connection:
            row = connection.execute(query).mappings().one_or_none()
        hashed = row["password"] if row is not None and row["password"] else _NOBODYS
        try:
            _HASHER.verify(hashed, password)
        except argon2.exceptions.VerifyMismatchError:
            row = None
        if row is None:
            raise RefusedError("name or password is wrong")
        return Person(row["name"], row["role"])

    def by_provider(self, name: str, role: str) -> Person:
        """Somebody whom a provider of identities vouches for, known from now on, with the role it gives today."""
        row = {"name": name, "role": role, "password": None, "created": moments.now()}
        with writing(self._engine) as connection:
            known = connection.execute(select(users).where(users.c.name == name)).mappings().one_or_none()
            if known is None:
                connection.execute(insert(users), row)
            elif known["disabled"] is not None or known["password"] is not None:
                raise RefusedError("this account is not let in that way")
            else:
                connection.execute(update(users).where(users.c.name == name).values(role=role))
        return Person(name, role)

    def make_token(self, name: str, note: str, seconds: int | None = None) -> str:
        """A token for a user: shown once, kept as a digest."""
        secret = _PREFIX + urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
        now = moments.now()
        row = {"note": note, "created": now, "digest": _digest(secret)}
        with writing(self._engine) as connection:
            owner = connection.scalar(select(users.c.number).where(users.c.name == name))
            if owner is None:
                raise UsageError(f"there is no user {name!r}", "pratique-server user add")
            expires = None if seconds is None else now + seconds * moments.SECOND
            connection.execute(insert(api_tokens), {**row, "owner": owner, "expires": expires})
        return secret

    def by_token(self, secret: str) -> Person:
        """The person whose token this is."""
        digest = _digest(secret)
        query = (
            select(users.c.name, users.c.role, api_tokens.c.digest, api_tokens.c.expires)
            .join_from(api_tokens, users)
            .where(api_tokens.c.digest == digest, users.c.disabled.is_(None))
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None or not hmac.compare_digest(row.digest, digest) or _over(row.expires):
            raise RefusedError("the token is unknown or expired")
        return Person(row.name, row.role)

    def note(self, who: str, what: str, subject: str, detail: str = "") -> None:
        """Put on record what somebody did."""
        row = {"time": moments.now(), "who": who, "what": what, "subject": subject, "detail": detail}
        with writing(self._engine) as connection:
            connection.execute(insert(audit), row)


def _digest(secret: str) -> bytes:
    """The secret is 256 random bits: a fast hash keeps it as well as a slow one."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _over(expires: int | None) -> bool:
    return expires is not None and expires <= moments.now()
