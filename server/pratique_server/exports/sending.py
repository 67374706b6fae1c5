"""The work of one sink: whatever is new, in order, again and again until it was taken."""

import asyncio
import logging

from sqlalchemy import Engine

from pratique_server.errors import StoreError
from pratique_server.exports.feed import Feed
from pratique_server.exports.sinks import Sink

_log = logging.getLogger(__name__)
_LOOK, _LONGEST = 1.0, 300.0


async def send(engine: Engine, sink: Sink) -> None:
    """Never ends; a sink that is away is asked again after a growing pause, and misses nothing."""
    feed = await asyncio.to_thread(Feed, engine, sink.name)
    pause = _LOOK
    while True:
        await asyncio.sleep(pause)
        try:
            while rows := await asyncio.to_thread(feed.next):
                await asyncio.to_thread(sink.send, rows)
                await asyncio.to_thread(feed.sent, rows)
            pause = _LOOK
        except StoreError as error:
            pause = min(pause * 2, _LONGEST)
            _log.warning("%s; again in %d s", error, pause)
        except Exception:  # noqa: BLE001 -- the database may be away; the sink's work goes on after it
            pause = min(pause * 2, _LONGEST)
            _log.exception("findings could not be sent to %s", sink.name)
