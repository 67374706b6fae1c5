"""Who a process was, also shortly after its end: a notice of what it did may come later than its exit."""

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from pratique.backends import numbers
from pratique.backends.hooks import records
from pratique.backends.hooks.records import Label
from pratique.words import Actor, Stage

_KEPT = 8_192


class Author(NamedTuple):
    """What the label of a process said."""

    run: int
    origin: int
    stage: Stage
    actor: Actor


class Authors:
    """The labels of one run's processes; of ended ones the latest few thousand."""

    def __init__(self, label_of: Callable[[int], Label | None], run: int) -> None:
        self._label_of = label_of
        self._run = run
        self._known: OrderedDict[int, Author] = OrderedDict()

    def note(self, record: records.Record) -> None:
        """Remember the author of a record, and a forked child as its like."""
        head = record.head
        author = Author(head.run, head.origin, head.stage, head.actor)
        self._keep(record.child if isinstance(record, records.ForkRecord) else head.pid, author)

    def settled(self, pid: int, author: Author) -> None:
        """Remember what a stopped process was found to be."""
        self._keep(pid, author)

    def of(self, pid: int) -> Author | None:
        """The living label if there is one, else what is remembered; None for a stranger."""
        label = self._label_of(pid)
        if label is None:
            return self._known.get(pid)
        if not numbers.belongs(label.run, self._run):
            return None
        return Author(label.run, label.origin, label.stage, label.actor)

    def _keep(self, pid: int, author: Author) -> None:
        self._known[pid] = author
        self._known.move_to_end(pid)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
