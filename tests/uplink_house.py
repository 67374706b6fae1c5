"""What tests of the uplink do: put batches, run an uplink, wait for what must happen."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from pratique.api.v1 import telemetry_pb2
from pratique.telemetry import poke
from pratique.telemetry.doorbell import AlreadyRunningError
from pratique.telemetry.place import Place
from pratique.telemetry.spool import Rank, Spool, Waiting
from pratique.telemetry.uplink import Settings, Uplink

RUN = "01JD3KZ0000000000000000000"
QUICK = Settings(
    linger=0.2, longest_pause=0.2, unwelcome_pause=0.3, renew_pause=0.2, deadline=5, host_deadline=5
)


def put(place: Place, *seqs: int, run: str = RUN, rank: Rank = Rank.ORDINARY) -> None:
    """Batches of a run into the spool, and a poke."""
    spool = Spool(place.spool)
    spool.put(
        [
            Waiting(
                run,
                seq,
                rank,
                0,
                telemetry_pb2.PutBatchRequest(run_id=run, seq=seq, payload=bytes(500)).SerializeToString(),
            )
            for seq in seqs
        ]
    )
    spool.close()
    poke.poke(place)


def left(place: Place) -> int:
    """How many batches wait."""
    spool = Spool(place.spool)
    try:
        return spool.load().batches
    finally:
        spool.close()


def until(done: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait for it; a failure when it does not happen."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


class Running:
    """An uplink in a thread."""

    def __init__(self, place: Place, *, drain: bool = False, settings: Settings = QUICK) -> None:
        self.said: list[str] = []
        self.uplink = Uplink(place, self.said.append, drain=drain, settings=settings)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with suppress(AlreadyRunningError):  # another one does the work
            self.uplink.run()

    def __enter__(self) -> "Running":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.uplink.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Until it ends by itself."""
        self._thread.join(seconds)
        assert not self._thread.is_alive()
