"""The control socket: who asks what, and what of it they may have."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pratique.daemon import journal, peers, wire
from pratique.daemon.peers import Peer
from pratique.daemon.wrapping import Wrapping
from pratique.errors import PratiqueError
from pratique.runs.store import Store

if TYPE_CHECKING:
    from pratique.daemon.service import Service

_ANYBODY = 0o666
_WORKERS = 8
_SECONDS = 2.0
_MOST_RUNS = 50


class Control:
    """Answers questions in threads of its own; changes are made by the main loop."""

    def __init__(self, service: "Service") -> None:
        self._service = service
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="pratique-control")
        self._places = threading.BoundedSemaphore(_WORKERS * 4)
        self._listener = _listen(str(service.places.socket))
        self._asks: dict[str, Callable[[Peer, wire.Json], wire.Json]] = {
            "status": self._status,
            "report": self._report,
            "reload": self._reload,
            "end": self._end,
            **Wrapping(service).asks(),
            "approve": self._approve,
            "forget": self._forget,
        }

    def start(self) -> None:
        """Answer from now on."""
        threading.Thread(target=self._serve, name="pratique-listen", daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._service.places.socket.unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if not self._places.acquire(blocking=False):  # somebody opens many: the others still get answers
                connection.close()
                continue
            self._pool.submit(self._answer, connection)

    def _answer(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(_SECONDS)
                wire.send(connection, self._reply(connection))
        except OSError:
            return  # it went away
        finally:
            self._places.release()

    def _reply(self, connection: socket.socket) -> wire.Json:
        try:
            peer = peers.of(connection)
            question = wire.receive(connection, wire.QUESTION)
            if self._is_guarded(peer):
                return _to_guarded(question)
            asked = self._asks.get(str(question.get("ask")))
            if asked is None:
                raise wire.WireError(f"{str(question.get('ask'))[:40]!r} is nothing that can be asked")
            return {"ok": True, **asked(peer, question)}
        except PratiqueError as error:
            return {"ok": False, "what": error.what, "mend": error.mend}
        except Exception as error:  # noqa: BLE001 (a question must not end the guard)
            journal.say(f"a question could not be answered ({type(error).__name__}: {error})", journal.ERROR)
            return {"ok": False, "what": "the daemon could not answer", "mend": "its journal says why"}

    def _is_guarded(self, peer: Peer) -> bool:
        return peer.pid in self._service.backend.members()

    def _status(self, peer: Peer, _question: wire.Json) -> wire.Json:
        answers = self._service.answers
        runs = [run for run in answers.runs if peer.owns(run["uid"])]
        recent = [found for found in answers.recent if peer.owns(found["uid"])]
        ended = self._service.in_main_loop(lambda: self._latest(peer))
        return {"daemon": answers.daemon, "runs": runs, "recent": recent, "ended": ended}

    def _latest(self, peer: Peer) -> list[dict[str, Any]]:
        known = self._service.state.latest(None if peer.sees_all else peer.uid, _MOST_RUNS)
        return [run._asdict() for run in known if run.ended is not None]

    def _report(self, peer: Peer, question: wire.Json) -> wire.Json:
        wanted = str(question.get("run") or "")[:64]
        found = self._service.in_main_loop(lambda: self._find(peer, wanted))
        if len(found) != 1:
            raise wire.WireError(
                f"{len(found)} of your runs begin with {wanted!r}", "pratique status lists them"
            )
        return {"report": Store(self._service.places.state / "runs").load(found[0])}

    def _find(self, peer: Peer, wanted: str) -> list[str]:
        known = self._service.state.find(wanted) if wanted else []
        if not wanted:
            known = self._service.state.latest(None if peer.sees_all else peer.uid, 1)
        return [run.id for run in known if peer.owns(run.uid)]

    def _end(self, peer: Peer, _question: wire.Json) -> wire.Json:
        if peer.uid != 0:
            raise wire.WireError("only root may end the guard")
        journal.say(f"told to end by pid {peer.pid}")
        self._service.end_for_good()
        return {}

    def _approve(self, peer: Peer, question: wire.Json) -> wire.Json:
        return self._change(peer, question, self._service.flights.first_runs.approve)

    def _forget(self, peer: Peer, question: wire.Json) -> wire.Json:
        return self._change(peer, question, self._service.flights.first_runs.forget)

    def _change(self, peer: Peer, question: wire.Json, change: Callable[[str], bool]) -> wire.Json:
        purl = str(question.get("purl"))[:400]
        if not peer.sees_all:
            raise wire.WireError("only root and the group pratique decide whom to trust")
        if not self._service.in_main_loop(lambda: change(purl)):
            raise wire.WireError(f"{purl!r} is not known here", "pratique status --json lists fresh packages")
        journal.say(f"{question['ask']} {purl} by uid {peer.uid}")
        return {}

    def _reload(self, peer: Peer, _question: wire.Json) -> wire.Json:
        if not peer.sees_all:
            raise wire.WireError("only root and the group pratique may reload the policy")
        policy = self._service.reload()
        return {"digest": policy.digest, "profile": policy.profile}


def _to_guarded(question: wire.Json) -> wire.Json:
    """Guarded code learns nothing here, whoever it runs as, but that a run within its run adds nothing."""
    if question.get("ask") == "run":
        return {"ok": True, "run": None}
    return {"ok": False, "what": "this process is guarded: the daemon does not answer it", "mend": ""}


def _listen(path: str) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 (a leftover: the lock says that no daemon listens there)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    os.chmod(path, _ANYBODY)  # noqa: PTH101 (rights are decided by who asks)
    listener.listen(64)
    return listener
