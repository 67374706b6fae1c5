"""Runs of the daemon for the collector: made ready by a thread, for the main loop answers processes that wait."""

import queue
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from pratique.daemon import journal
from pratique.model import Event
from pratique.runs.run import Settled
from pratique.telemetry.place import Place

if TYPE_CHECKING:
    from pratique.daemon.flight import Flight
    from pratique.telemetry.batches import Sent

MOST_RECORDED = 50_000
"""Events kept of one run until it is handed over: many may be in flight at once."""
_MOST_WAITING = 64
_PATIENCE = 5.0


class _Told(NamedTuple):
    report: dict[str, Any]
    recorded: list[Event | Settled]
    unrecorded: int
    adopted: bool
    last: bool


class Handing:
    """Where the daemon leaves what it knows of a run; nothing is kept on a host that is not enrolled."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._queue: queue.Queue[_Told | None] = queue.Queue(_MOST_WAITING)
        self._sent: dict[str, Sent] = {}
        self._thread = threading.Thread(target=self._work, name="pratique-handing", daemon=True)
        self._thread.start()

    def wanted(self) -> bool:
        """Whether runs that begin now should be recorded."""
        return self._place.enrolled()

    def give(self, report: dict[str, Any], flight: "Flight", *, last: bool) -> None:
        """Hand a run over, or what is new of one that goes on; returns at once."""
        if flight.run.recorded is None:
            return
        try:
            self._queue.put_nowait(_Told(report, *flight.run.take_recorded(), flight.adopted, last))
        except queue.Full:
            run = report["run"]["id"]
            journal.say(f"run {run} was not kept for the collector: too many wait", journal.ERROR)

    def close(self) -> None:
        """Finish what waits, at most for a while."""
        self._queue.put(None)
        self._thread.join(_PATIENCE)

    def _work(self) -> None:
        while (told := self._queue.get()) is not None:
            try:
                problem = self._keep(told)
            except Exception as error:  # noqa: BLE001 -- telemetry never ends the guard
                problem = f"{type(error).__name__}: {error}"
            if problem is not None:
                journal.say(f"telemetry of run {told.report['run']['id']}: {problem}", journal.ERROR)

    def _keep(self, told: _Told) -> str | None:
        from pratique.telemetry import batches, handover  # noqa: PLC0415 -- only enrolled hosts have its libraries

        run = told.report["run"]["id"]
        unknown = batches.Sent(int(time.time()), whole=False) if told.adopted else batches.Sent()
        before = self._sent.pop(run, unknown)
        made = batches.of_run(told.report, told.recorded, before)
        if not told.last:
            records = before.records + sum(each.records for each in made)
            self._sent[run] = before._replace(batches=before.batches + len(made), records=records)
        return handover.keep(self._place, made, run, told.unrecorded)
