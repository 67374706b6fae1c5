"""`pratique run` while the daemon is up: it asks for a run for its child, and for the report afterwards."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pratique import proc
from pratique.daemon import journal, wire
from pratique.daemon.peers import Peer
from pratique.runs import ulid
from pratique.runs.store import Store
from pratique.words import Actor, Stage

if TYPE_CHECKING:
    from pratique.daemon.service import Service

_STRICTNESS = {"observe": 0, "standard": 1, "strict": 2}
_MODES = {"audit": 0, "enforce": 1}
_PATIENCE = 8.0
_STOP = "systemctl stop pratiqued"


class Wrapping:
    """What a wrapper may ask."""

    def __init__(self, service: "Service") -> None:
        self._service = service

    def asks(self) -> dict[str, Callable[[Peer, wire.Json], wire.Json]]:
        """By the word of the message."""
        return {"run": self._run, "finish": self._finish, "off": self._off}

    def _run(self, peer: Peer, question: wire.Json) -> wire.Json:
        """Label the asker's waiting child as the command of a new run."""
        self._check(question)
        return self._begin(_child(peer, question.get("pid")), question, off=False)

    def _off(self, peer: Peer, question: wire.Json) -> wire.Json:
        """Leave the asker's tree unguarded from now on: recorded, and for few."""
        if not peer.sees_all:
            raise wire.WireError("only root and the group pratique may run something unguarded")
        answer = self._begin(peer.pid, question, off=True)
        journal.say(f"off: pid {peer.pid} of uid {peer.uid}, run {answer['run']}", journal.WARNING)
        return answer

    def _begin(self, pid: int, question: wire.Json, *, off: bool) -> wire.Json:
        argv = question.get("argv")
        if not isinstance(argv, list) or not all(isinstance(word, str) for word in argv):
            raise wire.WireError("argv is no list of words")
        service, run_id = self._service, ulid.make(time.time())
        number = service.backend.new_run()
        # Noted first, so that whatever it does finds its run.
        notes = ("pratique off: nothing was guarded in this run",) if off else ()
        service.later(lambda: service.flights.begun(pid, number, tuple(argv), run_id, notes))
        service.backend.begin(number, pid, Actor.COMMAND, Stage.RESOLVE, 0, off=off)
        return {"run": run_id, "backend": service.backend.name}

    def _check(self, question: wire.Json) -> None:
        """A run may be no weaker than the host's guard, and as yet no stronger."""
        policy = self._service.policy
        profile, mode = question.get("profile") or policy.profile, question.get("mode") or policy.mode
        weaker = _STRICTNESS.get(str(profile), -1) < _STRICTNESS.get(policy.profile, 1)
        weaker = weaker or _MODES.get(str(mode), -1) < _MODES[policy.mode]
        if weaker:
            raise wire.WireError(
                f"the daemon guards with profile {policy.profile} in mode {policy.mode}; a run may not ask for less",
                "leave --profile and --mode out",
            )
        if profile != policy.profile or mode != policy.mode or question.get("policy"):
            raise wire.WireError(
                "the daemon's policy holds for every run alike: a profile or policy of its own is not available yet",
                f"put it into /etc/pratique, or end the daemon first: {_STOP}",
            )

    def _finish(self, peer: Peer, question: wire.Json) -> wire.Json:
        """The report, once the command and its descendants are gone or had their grace."""
        wanted = str(question.get("run"))[:64]
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if self._service.in_main_loop(lambda: self._reported(peer, wanted)):
                return {"report": Store(Path(self._service.places.state, "runs")).load(wanted)}
            time.sleep(0.02)
        raise wire.WireError(f"run {wanted} has no report yet", "pratique report shows it later")

    def _reported(self, peer: Peer, wanted: str) -> bool:
        self._service.flights.sweep()
        found: list[Any] = self._service.state.find(wanted)
        if not found or not peer.owns(found[0].uid):
            raise wire.WireError(f"no run {wanted} of yours")
        return found[0].ended is not None


def _child(peer: Peer, pid: object) -> int:
    """The asker's own child: nobody gets another's process into a run."""
    try:
        child = int(str(pid))
    except ValueError:
        child = 0
    # A peer of another pid namespace is 0 here, as is the parent of the first process, and of one that is gone.
    if child <= 0 or peer.pid <= 0 or proc.parent_of(child) != peer.pid:
        raise wire.WireError("that process is not a child of who asks")
    return child
