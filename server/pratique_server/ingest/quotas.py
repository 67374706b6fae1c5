"""How much one host may send: a bucket each, so that one that went mad cannot fill the disk for all."""

import time
from collections.abc import Callable

from pratique_server.errors import FullError

_MOST_HOSTS = 200_000


class Quotas:
    """Bytes per second and host, with room for what gathered while a host was offline."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, host: str, size: int) -> None:
        """Take `size` bytes from the bucket of a host; `FullError` says when there will be enough."""
        now = self._clock()
        level, then = self._buckets.get(host, (self._burst, now))
        level = min(self._burst, level + (now - then) * self._rate)
        if level < size:
            raise FullError("this host sends more than it may", round((size - level) / self._rate, 3))
        if len(self._buckets) >= _MOST_HOSTS and host not in self._buckets:
            self._buckets.clear()
        self._buckets[host] = (level - size, now)
