"""The control stream: a thread that listens, puts documents in force, and says what became of each."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pratique.api.v1 import control_pb2
from pratique.api.wire import PROTOCOL
from pratique.daemon import client
from pratique.telemetry import link
from pratique.telemetry.backoff import Backoff
from pratique.telemetry.control import Pushed
from pratique.telemetry.link import Link
from pratique.telemetry.place import Place

_DEADLINE = 30.0
_UNWELCOME = 3600.0


class Listening:
    """Listens on whatever link is current; `again` after the link was replaced."""

    def __init__(
        self, place: Place, current: Callable[[], Link], heard: Callable[[], None], say: Callable[[str], None]
    ) -> None:
        self._pushed = Pushed(place)
        self._current, self._heard, self._say = current, heard, say
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._call: Any = None
        self._thread = threading.Thread(target=self._listen, name="pratique-control", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a document that is being written is finished."""
        self._stopped.set()
        self.again()
        self._thread.join(timeout=5)

    def again(self) -> None:
        """Leave the stream there is, and open one on the current link."""
        self._wake.set()
        if self._call is not None:
            self._call.cancel()

    def hurry(self) -> None:
        """The collector is back: do not wait out the pause."""
        self._wake.set()

    def held(self) -> dict[str, int]:
        """Kind of document, in words, → version."""
        names = control_pb2.DocumentKind
        return {
            names.Name(kind).removeprefix("DOCUMENT_KIND_").lower(): version
            for kind, version in self._pushed.held().items()
            if kind in names.values()
        }

    def _listen(self) -> None:
        backoff = Backoff()
        while not self._stopped.is_set():
            self._wake.clear()
            wait = 0.0
            try:
                self._watch(backoff)
            except link.Refusal as error:
                rarely = _UNWELCOME if link.code_of(error) in link.UNWELCOME else 0.0
                wait = backoff.failed(link.retry_after(error), rarely)
            except ValueError:
                wait = backoff.failed()  # the link was closed under it
            self._wake.wait(wait or backoff.failed())

    def _watch(self, backoff: Backoff) -> None:
        held: Any = [
            control_pb2.Held(kind=_kind(kind), version=version)
            for kind, version in self._pushed.held().items()
        ]
        current = self._current()
        self._call = current.watch(control_pb2.WatchRequest(protocol=PROTOCOL, held=held))
        for said in self._call:
            backoff.worked()
            if said.HasField("document"):
                self._take(current, said.document)

    def _take(self, current: Link, document: control_pb2.Document) -> None:
        problem = self._pushed.take(document) or _reloaded()
        name = control_pb2.DocumentKind.Name(document.kind) if document.kind in _KINDS else str(document.kind)
        if problem is None:
            self._say(f"{name} version {document.version} is in force from the next run on")
        else:
            self._say(f"{name} version {document.version} was not taken: {problem}")
        answer = control_pb2.AcknowledgeRequest(
            protocol=PROTOCOL,
            kind=document.kind,
            version=document.version,
            applied=problem is None,
            problem=(problem or "")[:2000],
        )
        with suppress(link.Refusal):  # it is sent again when the stream is opened anew
            current.acknowledge(answer, _DEADLINE)
        self._heard()


def _reloaded() -> str | None:
    """Have a daemon that guards this host read its files again: what it guards now is under the new ones."""
    if os.geteuid() != 0:
        return None  # the daemon's policy is root's, and this enrolment is somebody's own
    try:
        if client.running():
            client.ask("reload")
    except (client.NoDaemonError, client.RefusedError) as error:
        return f"the daemon did not take it: {error}"
    return None


_KINDS = frozenset(control_pb2.DocumentKind.values())


def _kind(number: int) -> Any:
    return number
