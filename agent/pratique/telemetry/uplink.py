"""The uplink: a process of its own that drains the spool to the collector, renews its certificate, and listens.

One loop owns everything; calls in flight, the control stream and pokes only put words into its inbox. Nothing is
forgotten before it is acknowledged, and nothing waits in memory but the window.
"""

import os
import queue
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pratique import errors
from pratique.api.v1 import telemetry_pb2
from pratique.telemetry import hoststate, link, renewal
from pratique.telemetry import identity as identities
from pratique.telemetry.backoff import Backoff
from pratique.telemetry.doorbell import Doorbell, locked
from pratique.telemetry.link import Enrolment, Link
from pratique.telemetry.listening import Listening
from pratique.telemetry.place import Place
from pratique.telemetry.spool import Spool, Waiting


@dataclass(frozen=True, slots=True)
class Settings:
    """Bounds in number, bytes and seconds."""

    window: int = 6
    """Batches that may be unacknowledged at once."""
    window_bytes: int = 4 << 20
    deadline: float = 30.0
    """Seconds for one batch."""
    host_deadline: float = 10.0
    """Seconds for a call that is waited for."""
    linger: float = 10.0
    """How long an uplink that drains waits for more, once everything is sent."""
    patience: float = 600.0
    """How long one that drains goes on without any success."""
    host_every: float = 900.0
    longest_pause: float = 300.0
    unwelcome_pause: float = 3600.0
    renew_pause: float = 60.0
    goodbye: float = 5.0
    takeover: float = 15.0
    """How long one that drains waits for another that is about to end."""
    spool_pause: float = 1.0


@dataclass(slots=True)
class _Sent:
    waiting: Waiting
    call: Any
    over: Link


@dataclass(slots=True)
class _Pace:
    """When what may be done next, by the monotonic clock."""

    send: float = 0.0
    host: float = 0.0
    renew: float = 0.0
    idle_since: float = field(default_factory=time.monotonic)
    worked: float = field(default_factory=time.monotonic)


class Uplink:
    """Drains one spool until told to stop, or, with `drain`, until nothing is left for a while."""

    def __init__(
        self,
        place: Place,
        say: Callable[[str], None],
        *,
        drain: bool = False,
        settings: Settings | None = None,
        connect: Callable[[Place], Link] | None = None,
    ) -> None:
        self._place, self._say, self._drain = place, say, drain
        self._settings = settings or Settings()
        self._connect = connect or connected
        self._inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._doorbell = Doorbell(place, self._inbox)
        self._flying: dict[int, _Sent] = {}
        self._later: set[int] = set()
        self._backoff = Backoff(longest=self._settings.longest_pause)
        self._pace = _Pace()
        self._ahead: float | None = None
        self._stopping = threading.Event()
        self._last_said = ""

    def run(self) -> None:
        """Do it; `AlreadyRunningError` when another uplink does."""
        patience = self._settings.takeover if self._drain else float("inf")
        lock = locked(self._place, patience, self._stopping)
        try:
            self._doorbell.open()
            self._spool = self._opened()
            self._identity = identities.load(self._place.identity)
            self._link = self._connect(self._place)
            self._listening = Listening(self._place, lambda: self._link, self._heard, self._say)
            self._listening.start()
            try:
                self._loop()
            finally:
                self._end()
        finally:
            self._doorbell.close()
            os.close(lock)

    def stop(self) -> None:
        """End orderly: from a signal handler or another thread."""
        self._stopping.set()
        self._inbox.put(None)

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._done():
                    return
                self._turn()
                self._take(self._until_next())
            except sqlite3.Error as error:
                self._once("spool", f"the spool cannot be used: {error}")
                self._stopping.wait(self._settings.spool_pause)
                self._reopen()

    def _turn(self) -> None:
        if self._spool.replaced():
            self._reopen()
        now = time.monotonic()
        if now >= max(self._pace.host, self._pace.send):
            self._tell_host()
        # Only once the collector's clock is known: by a wrong one it would be renewed at every turn, or never.
        if self._ahead is not None and now >= self._pace.renew and self._clock() >= self._identity.renew_at:
            self._renew()
        if now >= self._pace.send:
            self._fill()

    def _fill(self) -> None:
        """Send until the window is full."""
        flying = sum(len(each.waiting.message) for each in self._flying.values())
        room = self._settings.window - len(self._flying)
        if room <= 0 or flying >= self._settings.window_bytes:
            return
        found = self._next(room, self._settings.window_bytes - flying)
        if not found and not self._flying and self._later:
            self._later.clear()  # everything else is sent: now it is their turn again
            found = self._next(room, self._settings.window_bytes)
        for waiting in found:
            self._send(waiting)

    def _next(self, room: int, most_bytes: int) -> list[Waiting]:
        return self._spool.waiting(self._flying.keys() | self._later, room, most_bytes)

    def _send(self, waiting: Waiting) -> None:
        call = self._link.put_batch(waiting.message, self._settings.deadline)
        self._flying[waiting.id] = _Sent(waiting, call, self._link)
        call.add_done_callback(lambda _call: self._inbox.put(waiting.id))

    def _take(self, seconds: float) -> None:
        """Wait for the inbox, then take all that is in it: acknowledgements are forgotten together."""
        stored: list[int] = []
        with suppress(queue.Empty):
            word = self._inbox.get(timeout=seconds)
            while True:
                if isinstance(word, int) and word in self._flying:
                    self._landed(self._flying.pop(word), stored)
                elif callable(word):
                    word()
                else:
                    self._pace.idle_since = time.monotonic()
                word = self._inbox.get_nowait()
        if stored:
            self._success()
            self._spool.forget(stored)  # should this fail, they are sent again, and change nothing

    def _landed(self, sent: _Sent, stored: list[int]) -> None:
        error = sent.call.exception()
        if error is not None:
            self._failed(sent, error)
            return
        answer: telemetry_pb2.PutBatchResponse = sent.call.result()
        self._set_clock(answer.time_us)
        if answer.receipt == telemetry_pb2.RECEIPT_STORED:
            stored.append(sent.waiting.id)
        elif answer.receipt == telemetry_pb2.RECEIPT_REFUSED:
            self._refused(sent.waiting, answer.reason)
        else:
            self._later.add(sent.waiting.id)

    def _refused(self, waiting: Waiting, why: str) -> None:
        self._say(f"batch {waiting.seq} of run {waiting.run} was refused: {why[:200]}")
        self._spool.set_aside(waiting.id, why)
        self._pace.host = 0.0  # the gap is told soon

    def _failed(self, sent: _Sent, error: BaseException) -> None:
        code = link.code_of(error)
        if link.is_cancelled(code):
            return
        if link.is_malformed(code):
            self._refused(sent.waiting, link.reason(error))
            return
        if link.is_its_own(code):
            self._later.add(sent.waiting.id)  # what fails by itself must not hold up the rest
        self._pause(error)

    def _pause(self, error: BaseException) -> None:
        """Wait before anything is sent again; calls that failed together count once."""
        now = time.monotonic()
        if now < self._pace.send:
            return
        rarely = self._settings.unwelcome_pause if link.code_of(error) in link.UNWELCOME else 0.0
        wait = self._backoff.failed(link.retry_after(error), rarely)
        self._pace.send = now + wait
        said = f"the collector cannot be used: {link.reason(error)}{self._ended_note()}"
        self._once(f"collector {link.code_of(error)}", said)

    def _ended_note(self) -> str:
        if self._clock() < self._identity.until:
            return ""
        end = datetime.fromtimestamp(self._identity.until, UTC).isoformat(timespec="minutes")
        return f" (this host's certificate ended {end}: enrol it again)"

    def _success(self) -> None:
        if self._backoff.failures:
            self._once("again", "the collector can be used again")
            self._listening.hurry()
        self._backoff.worked()
        self._pace.worked = self._pace.idle_since = time.monotonic()

    def _tell_host(self) -> None:
        """Tell the host's state and its gaps; also the first word of a connection, and what sets the clock."""
        gaps = self._spool.gaps(256)
        request = hoststate.request(self._place, self._spool.load(), gaps, self._listening.held())
        try:
            answer = self._link.put_host(request, self._settings.host_deadline)
        except link.Refusal as error:
            self._pause(error)
            return
        self._set_clock(answer.time_us)
        self._spool.told(gaps)
        self._pace.host = time.monotonic() + self._settings.host_every
        self._success()

    def _renew(self) -> None:
        """Get a certificate for a new key; what is in flight ends on the old connection."""
        self._pace.renew = time.monotonic() + self._settings.renew_pause
        try:
            held = renewal.renewed(self._place, self._link, self._clock(), self._settings.host_deadline)
        except link.Refusal as error:
            said = f"the certificate could not be renewed: {link.reason(error)}{self._ended_note()}"
            self._once("renewal", said)
            return
        except (errors.PratiqueError, OSError, subprocess.SubprocessError) as error:
            self._once("renewal", f"the certificate could not be renewed: {error}")
            return
        self._change_link(held)

    def _change_link(self, renewed: identities.Identity) -> None:
        old, self._identity = self._link, renewed
        self._link = self._connect(self._place)
        self._listening.again()
        end = datetime.fromtimestamp(renewed.until, UTC).isoformat(timespec="minutes")
        self._say(f"the certificate was renewed, until {end}")
        self._retire(old)

    def _retire(self, old: Link) -> None:
        """Close a connection once its last call has come back."""
        if any(each.over is old for each in self._flying.values()):
            timer = threading.Timer(0.2, lambda: self._inbox.put(lambda: self._retire(old)))
            timer.daemon = True
            timer.start()
        else:
            old.close()

    def _heard(self) -> None:
        """The control stream brought something: the collector learns what is held now."""
        self._inbox.put(self._tell_soon)

    def _tell_soon(self) -> None:
        self._pace.host = 0.0
        self._pace.worked = time.monotonic()

    def _until_next(self) -> float:
        """Seconds until something is due that no word in the inbox would announce."""
        now = time.monotonic()
        pace, settings = self._pace, self._settings
        due = [max(pace.host, pace.send), max(now + self._identity.renew_at - self._clock(), pace.renew)]
        if now < pace.send:
            due.append(pace.send)
        if self._drain:
            due.append(pace.idle_since + settings.linger)
            due.append(pace.worked + settings.patience)
        return min(max(min(due) - now, 0.001), settings.host_every)

    def _done(self) -> bool:
        if not self._drain or self._flying:
            return False
        now = time.monotonic()
        if now > self._pace.worked + self._settings.patience:
            return True
        return now > self._pace.idle_since + self._settings.linger and self._drained()

    def _drained(self) -> bool:
        """Whether nothing is left, and no run was told otherwise: the door is shut before the last look."""
        if self._spool.load().batches:
            return False
        self._doorbell.close()
        if not self._spool.load().batches:
            return True
        self._doorbell.open()
        return False

    def _end(self) -> None:
        """Wait a little for what is in flight, then let go."""
        deadline = time.monotonic() + self._settings.goodbye
        while self._flying and time.monotonic() < deadline:
            with suppress(sqlite3.Error):
                self._take(0.1)
        self._listening.stop()
        self._link.close()
        self._spool.close()

    def _opened(self) -> Spool:
        spool = Spool(self._place.spool, thorough=True)
        if spool.damage is not None:
            self._say(spool.damage)
        return spool

    def _reopen(self) -> None:
        with suppress(sqlite3.Error, OSError):
            self._spool.close()
            self._spool = self._opened()

    def _clock(self) -> float:
        """The collector's clock, as far as it is known: the host's own may be days off."""
        return time.time() + (self._ahead or 0.0)

    def _set_clock(self, time_us: int) -> None:
        if time_us:
            self._ahead = time_us / 1e6 - time.time()

    def _once(self, about: str, text: str) -> None:
        """Say what is new; a collector that is away for months fills no log."""
        if about != self._last_said:
            self._last_said = about
            self._say(text)


def connected(place: Place) -> Link:
    """A connection with what is stored now."""
    held = Enrolment.load(place)
    return Link(held.address, identities.load(place.identity), place.authorities.read_bytes())
