"""The Python line behind a refusal, read while its author still waits for the answer."""

import json
import queue
import select
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

_WAITING = 8
_KEPT = 4096
_SECONDS = 0.3
_START_SECONDS = 15.0


class Stacks:
    """Delays a refusal for as long as reading the stack takes, at most 0.3 s; a few at a time, the rest at once."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[tuple[int, str, Callable[[], None]]] = queue.Queue(_WAITING)
        self._known: OrderedDict[tuple[int, str], dict[str, Any]] = OrderedDict()
        self._reader: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._late = 0

    @property
    def pid(self) -> int:
        """The reading process, which is no first run itself; 0 before `start`."""
        return self._reader.pid if self._reader else 0

    def start(self) -> None:
        """Start the reader; without pystack there are no lines, and nothing waits."""
        self._reader = subprocess.Popen(
            [sys.executable, "-m", "pratique.daemon.stack_reader"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._worker = threading.Thread(target=self._work, name="pratique-stacks", daemon=True)
        self._worker.start()

    def stop(self) -> None:
        """End the reader; safe to call twice."""
        self._ready = False
        reader = self._reader
        if reader is None:
            return
        reader.kill()
        self._jobs.put((0, "", lambda: None))
        self._worker.join(_START_SECONDS)
        self._reader = None
        with reader:  # closes its pipes and waits
            pass

    def hold(self, pid: int, path: str, answer: Callable[[], None]) -> bool:
        """Take over the duty to `answer`; False when it must be answered at once. For the answering thread."""
        if not self._ready:
            return False
        try:
            self._jobs.put_nowait((pid, path, answer))
        except queue.Full:
            return False
        return True

    def source(self, pid: int, path: str) -> dict[str, Any] | None:
        """The line that tried to open `path`, in the words of the report."""
        return self._known.get((pid, path))

    def _work(self) -> None:
        self._ready = self._line(_START_SECONDS) == b"ready\n"
        while True:
            pid, path, answer = self._jobs.get()
            if not pid:
                return
            try:
                found = self._ask(pid) if self._ready else None
            finally:
                answer()
            if found is not None:
                self._known[pid, path] = {**found, "quality": "exact"}
                if len(self._known) > _KEPT:
                    self._known.popitem(last=False)

    def _ask(self, pid: int) -> dict[str, Any] | None:
        reader = self._reader
        if reader is None or reader.stdin is None:
            return None
        while self._late and self._line(0):  # answers that came too late are nobody's
            self._late -= 1
        if self._late:
            return None
        try:
            reader.stdin.write(b"%d\n" % pid)
            reader.stdin.flush()
            line = self._line(_SECONDS)
            self._late += not line
            found: dict[str, Any] | None = json.loads(line) if line else None
        except (OSError, ValueError):
            self._ready = False
            return None
        return found

    def _line(self, seconds: float) -> bytes:
        reader = self._reader
        if reader is None or reader.stdout is None:
            return b""
        ready, _, _ = select.select([reader.stdout], [], [], seconds)
        return reader.stdout.readline() if ready else b""
