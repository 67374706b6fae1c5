"""Group commit: batches of many hosts share one transaction, and each is acknowledged only after it."""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pratique_server.errors import CollectorError, FullError, StoreError
from pratique_server.store.records import Batch, Outcome

Write = Callable[[Sequence[Batch]], list[Outcome]]

_MOST_IN_GROUP = 128
_MOST_BYTES_IN_GROUP = 16 << 20
_OVERHEAD = 2_048
_AGAIN = 1.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    batch: Batch
    answer: "asyncio.Future[Outcome]"
    size: int


class GroupCommit:
    """One thread writes; callers of `submit`, all in the loop it was made in, wait for their commit."""

    def __init__(
        self, write: Write, most_bytes: int = 64 << 20, observe: Callable[[int], None] = lambda _: None
    ):
        self._write, self._observe = write, observe
        self._most_bytes, self._bytes = most_bytes, 0
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._loop = asyncio.get_running_loop()
        self.failing: str | None = None
        """Why the last write failed; None while writing works."""

    @property
    def waiting(self) -> int:
        """Bytes that wait for a commit."""
        return self._bytes

    def start(self) -> None:
        """Start the writing thread."""
        self._thread.start()

    async def submit(self, batch: Batch) -> Outcome:
        """What became of the batch, once that is on stable storage; `FullError` at once when too much waits."""
        size = len(batch.segment.data) + _OVERHEAD
        if self._bytes + size > self._most_bytes:
            raise FullError("too many batches wait to be stored", _AGAIN)
        answer: asyncio.Future[Outcome] = self._loop.create_future()
        self._bytes += size
        self._queue.put(_Waiting(batch, answer, size))
        return await answer

    async def close(self) -> None:
        """Write what was taken, then end the thread."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            group, last = self._gather(first)
            self._answer(group, self._results(group))
            if last:
                return

    def _gather(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        """Whatever waits by now: under load groups grow by themselves, without a timer."""
        group, size = [first], first.size
        while len(group) < _MOST_IN_GROUP and size < _MOST_BYTES_IN_GROUP:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                return group, True
            group.append(more)
            size += more.size
        return group, False

    def _results(self, group: Sequence[_Waiting]) -> list[Outcome | Exception]:
        try:
            outcomes = self._write([each.batch for each in group])
        except Exception as error:  # noqa: BLE001 -- whatever it is, it must reach those who wait
            if isinstance(error, StoreError):
                self.failing = str(error)
            if len(group) == 1 or isinstance(error, StoreError):
                return [_expected(error)] * len(group)
            # One batch that cannot be stored must not keep the others from it.
            return [result for each in group for result in self._results([each])]
        self.failing = None
        return list(outcomes)

    def _answer(self, group: Sequence[_Waiting], results: Sequence[Outcome | Exception]) -> None:
        self._loop.call_soon_threadsafe(self._deliver, group, results)

    def _deliver(self, group: Sequence[_Waiting], results: Sequence[Outcome | Exception]) -> None:
        self._observe(len(group))
        for waiting, result in zip(group, results, strict=True):
            self._bytes -= waiting.size
            if waiting.answer.done():  # the host hung up: it will send the batch again
                continue
            if isinstance(result, Exception):
                waiting.answer.set_exception(result)
            else:
                waiting.answer.set_result(result)


def _expected(error: Exception) -> Outcome | Exception:
    return error if isinstance(error, CollectorError) else StoreError("a batch failed", repr(error))
