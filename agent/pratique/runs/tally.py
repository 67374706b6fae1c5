"""What a run did, in numbers: acts by actor, events and stages of each origin, and what it asked the network for."""

from collections import Counter
from typing import NamedTuple

from pratique.model import Event
from pratique.runs.tree import Process
from pratique.words import Act, Action, Actor, Stage

_MOST_PEERS = 2_000


class Peer(NamedTuple):
    """Someone on the network that was asked for, and by whom."""

    act: Act
    address: str | None
    port: int | None
    name: str | None
    actor: Actor
    origin: int
    action: Action

    @classmethod
    def of(cls, event: Event, act: Act) -> "Peer":
        """What an event says of it."""
        address, port, name = (event.target.get(key) for key in ("address", "port", "name"))
        shown = (None if each is None else str(each) for each in (address, name))
        return cls(act, next(shown), port, next(shown), event.actor, event.origin, event.action)


class Tally:
    """The counts of one run; bounded where hostile code chooses the keys."""

    def __init__(self) -> None:
        self.by_actor: Counter[tuple[str, Actor]] = Counter()
        self.events_of: Counter[int] = Counter()
        self.egress: Counter[Peer] = Counter()
        self.stages_of: dict[int, frozenset[Stage]] = {}

    def count(self, event: Event, process: Process) -> None:
        """An act of a process."""
        actor = process.actor if event.exec else event.actor
        self.by_actor[event.act.word if event.act else event.kind.value, actor] += event.times
        self.events_of[process.origin if event.exec else event.origin] += 1
        if event.act in (Act.NET_CONNECT, Act.NET_DNS):
            peer = Peer.of(event, event.act)
            if peer in self.egress or len(self.egress) < _MOST_PEERS:
                self.egress[peer] += event.times

    def stage(self, origin: int, stage: Stage) -> None:
        """Code of this origin ran in this stage."""
        self.stages_of[origin] = self.stages_of.get(origin, frozenset()) | {stage}

    def totals(self) -> dict[str, int]:
        """Acts by their word, whoever did them."""
        total: Counter[str] = Counter()
        for (word, _), number in self.by_actor.items():
            total[word] += number
        short = {Act.NET_CONNECT.word: "connect", Act.NET_DNS.word: "dns"}
        return {"exec": 0, "connect": 0, **{short.get(word, word): number for word, number in total.items()}}
