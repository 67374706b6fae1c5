"""What the code of a version did, out of the events of its latest runs, so that two versions can be compared."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from pratique.api.v1 import events_pb2, words_pb2
from pratique_server import wording
from pratique_server.web.events import EventReader
from pratique_server.web.queries import documents, packages
from pratique_server.web.timeline import object_of

_RUNS = 2
_MOST_EVENTS = 20_000
_MOST = 100


@dataclass(slots=True)
class Acts:
    """Acts and their objects."""

    done: dict[tuple[str, str], str] = field(default_factory=dict)
    """(act, object) → what was done about it."""

    @classmethod
    def of(cls, reader: EventReader, connection: Connection, numbers: Sequence[int]) -> "Acts":
        """What these versions did in the latest runs of each."""
        made = cls()
        for number in numbers:
            for row in packages.latest_runs(connection, number, _RUNS):
                said = documents.package_of(row["document"])
                if said is not None:
                    made._add(reader, connection, row["run"], frozenset(said.origins))
        return made

    def beyond(self, other: "Acts") -> list[dict[str, str]]:
        """What is here and not there; refusals first."""
        new = [
            {"act": act, "object": thing, "action": action}
            for (act, thing), action in self.done.items()
            if (act, thing) not in other.done
        ]
        return sorted(new, key=lambda each: (each["action"] == "allowed", each["act"], each["object"]))[
            :_MOST
        ]

    def _add(self, reader: EventReader, connection: Connection, run: int, origins: frozenset[int]) -> None:
        for event in reader.of(connection, run, _MOST_EVENTS).rows:
            shape = event.shape
            exec_ = shape.kind == events_pb2.KIND_EXEC
            matters = exec_ or shape.action != words_pb2.ACTION_ALLOW or shape.groups
            if event.origin in origins and matters:
                act = "exec" if exec_ else wording.act(shape.act) or "act"
                self.done.setdefault((act, object_of(event)), wording.done(shape.action))
