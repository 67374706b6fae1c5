"""Who is signed in: the browser holds a random secret, the store its digest; both ends are ours to end."""

import hashlib
import os
import time
from base64 import urlsafe_b64encode
from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy import Engine, delete, insert, select, update

from pratique_server import moments
from pratique_server.errors import RefusedError
from pratique_server.store.database import writing
from pratique_server.store.people import Person
from pratique_server.store.schema import sessions, users

LONGEST = 12 * 3600 * moments.SECOND
IDLE = 2 * 3600 * moments.SECOND
_TOUCH = 60 * moments.SECOND
_TRIES, _PAUSE, _NAMES = 5, 60.0, 10_000


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of somebody who is signed in."""

    person: Person
    csrf: str
    digest: bytes


class Sessions:
    """Sessions of people; a user who is disabled, or whose role changes, is so at the next request."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, name: str) -> str:
        """A new session, whatever the browser had before; its secret, which is kept nowhere."""
        secret, now = _random(), moments.now()
        row = {"digest": _digest(secret), "csrf": _random(), "created": now, "used": now}
        with writing(self._engine) as connection:
            old = (sessions.c.created < now - LONGEST) | (sessions.c.used < now - IDLE)
            connection.execute(delete(sessions).where(old))
            user = connection.execute(select(users.c.number).where(users.c.name == name)).scalar_one()
            connection.execute(insert(sessions), {**row, "user": user})
        return secret

    def find(self, secret: str) -> Visit | None:
        """Whose session this is; None when it is none, or over."""
        now, digest = moments.now(), _digest(secret)
        query = (
            select(users.c.name, users.c.role, sessions.c.csrf, sessions.c.used)
            .join_from(sessions, users)
            .where(sessions.c.digest == digest, users.c.disabled.is_(None))
            .where(sessions.c.created >= now - LONGEST, sessions.c.used >= now - IDLE)
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.used < now - _TOUCH:
            self._touch(digest, now)
        return Visit(Person(row.name, row.role), row.csrf, digest)

    def end(self, digest: bytes) -> None:
        """End a session at both ends."""
        with writing(self._engine) as connection:
            connection.execute(delete(sessions).where(sessions.c.digest == digest))

    def _touch(self, digest: bytes, now: int) -> None:
        with writing(self._engine) as connection:
            connection.execute(update(sessions).where(sessions.c.digest == digest).values(used=now))


class Attempts:
    """Failed sign-ins by name: after a few, the name has to wait, so that nobody tries a million passwords."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def check(self, name: str) -> None:
        """`RefusedError` while the name has to wait."""
        count, last = self._failed.get(name, (0, 0.0))
        if count >= _TRIES and time.monotonic() - last < _PAUSE:
            raise RefusedError("too many tries for this name", f"wait {_PAUSE:.0f} seconds")

    def failed(self, name: str) -> None:
        """One more."""
        count, last = self._failed.pop(name, (0, 0.0))
        recent = count if time.monotonic() - last < _PAUSE else 0
        self._failed[name] = (recent + 1, time.monotonic())
        while len(self._failed) > _NAMES:
            self._failed.popitem(last=False)

    def passed(self, name: str) -> None:
        """It was the right password."""
        self._failed.pop(name, None)


def _random() -> str:
    return urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
