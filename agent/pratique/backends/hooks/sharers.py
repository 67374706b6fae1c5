"""Origins whose processes share a table of descriptors: one writes to what another was killed for opening.

`clone` with CLONE_FILES and without CLONE_THREAD makes such a pair. Crash handlers and leak checkers do, so it is not
refused; but a kill at open then prevents nothing until the whole origin is dead.
"""

from collections.abc import Callable, Iterable

from pratique.backends.hooks.records import ForkRecord, Label, Record
from pratique.model import Event
from pratique.words import Act, Action, Level

_MOST = 4_096


class Sharers:
    """Which origins those are, and what follows for them."""

    def __init__(
        self,
        living: Callable[[], Iterable[int]],
        label_of: Callable[[int], Label | None],
        end: Callable[[int], None],
    ) -> None:
        self._living, self._label_of, self._end = living, label_of, end
        self._origins: set[tuple[int, int]] = set()

    def note(self, record: Record) -> None:
        """Remember the origin of a pair that shares."""
        if isinstance(record, ForkRecord) and record.shares and len(self._origins) < _MOST:
            self._origins.add((record.head.run, record.head.origin))

    def judged(self, event: Event) -> Event:
        """End the origin whose process was killed at an open, and say that the act may have happened by then."""
        about_a_descriptor = event.action is Action.KILL and event.act is not Act.EXEC
        if not about_a_descriptor or (event.run, event.origin) not in self._origins:
            return event
        for pid in self._living():
            label = self._label_of(pid)
            if label is not None and (label.run, label.origin) == (event.run, event.origin):
                self._end(pid)
        return event._replace(level=Level.KILLED_AFTER)
