"""Live findings: one look at the store twice a second for all who watch, and a message for each that is new."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Engine

from pratique_server.web.queries import findings
from pratique_server.web.rendering import Pages

LOOK = 0.5
_WAITING = 256
_RESUMED = 100

Message = dict[str, str]


class Live:
    """Who watches, and what they are told."""

    def __init__(self, engine: Engine, pages: Pages) -> None:
        self._engine, self._pages = engine, pages
        self._watching: set[asyncio.Queue[Message]] = set()
        self._task: asyncio.Task[None] | None = None
        self._last = 0

    async def messages(self, after: int | None) -> AsyncIterator[Message]:
        """Findings that come from now on; after a break in the line, those missed meanwhile come first."""
        queue: asyncio.Queue[Message] = asyncio.Queue(_WAITING)
        missed = [] if after is None else await asyncio.to_thread(self._after, after, _RESUMED)
        seen = max((row["number"] for row in missed), default=after or 0)
        await self._join(queue)
        try:
            for row in missed:
                yield self._message(row)
            while True:
                message = await queue.get()
                if int(message["id"]) > seen:
                    yield message
        finally:
            self._leave(queue)

    async def _join(self, queue: "asyncio.Queue[Message]") -> None:
        if not self._watching:
            self._last = await asyncio.to_thread(self._newest)
            self._task = asyncio.create_task(self._look())
        self._watching.add(queue)

    def _leave(self, queue: "asyncio.Queue[Message]") -> None:
        self._watching.discard(queue)
        if not self._watching and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            rows: Sequence[Mapping[str, Any]] = ()
            with contextlib.suppress(Exception):  # a database that is away for a while comes back
                rows = await asyncio.to_thread(self._after, self._last, _RESUMED)
            for row in rows:
                self._last = row["number"]
                self._tell(self._message(row))

    def _tell(self, message: Message) -> None:
        for queue in self._watching:
            with contextlib.suppress(asyncio.QueueFull):  # whoever is so slow asks again with the last id
                queue.put_nowait(message)

    def _message(self, row: Mapping[str, Any]) -> Message:
        text = self._pages.text("_finding_row.html", {"row": row, "fresh": True})
        return {"id": str(row["number"]), "data": " ".join(text.split())}

    def _after(self, number: int, most: int) -> Sequence[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return findings.after(connection, number, most)

    def _newest(self) -> int:
        with self._engine.connect() as connection:
            return findings.newest(connection)
