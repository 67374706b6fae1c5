"""Numbers of the wire as the words people read: `ACT_FILE_READ` is `file.read`, as in reports and rules."""

import re
from functools import lru_cache, partial
from typing import Any

from pratique.api.v1 import events_pb2, run_pb2, words_pb2

_DONE: dict[int, str] = {
    words_pb2.ACTION_ALLOW: "allowed",
    words_pb2.ACTION_AUDIT: "audited",
    words_pb2.ACTION_DENY: "denied",
    words_pb2.ACTION_KILL: "killed",
}


@lru_cache(maxsize=1024)
def word(words: Any, number: int) -> str | None:
    """The word for `number` of an enumeration; None for none, and for numbers of a newer wire."""
    if number == 0 or number not in words.values():
        return None
    name: str = words.DESCRIPTOR.name
    bare: str = words.Name(number).removeprefix(re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper() + "_").lower()
    return bare.replace("_", "." if name == "Act" else "-")


stage = partial(word, words_pb2.Stage)
actor = partial(word, words_pb2.Actor)
act = partial(word, words_pb2.Act)
level = partial(word, words_pb2.Level)
quality = partial(word, words_pb2.Quality)
verdict = partial(word, words_pb2.Verdict)
kind = partial(word, events_pb2.Kind)


def done(action: int) -> str:
    """What was done about an act."""
    return _DONE.get(action, "unknown")


def target(given: run_pb2.Target) -> str:
    """What was acted on, in one line."""
    if given.address:
        address = f"[{given.address}]" if ":" in given.address else given.address
        line = f"{address}:{given.port}" if given.HasField("port") else address
        return f"{given.name} ({line})" if given.name else line
    named = given.path or given.name or given.exe or given.request
    if given.to:
        return f"{named} → {given.to}"
    return named or (f"process {given.pid}" if given.HasField("pid") else given.protocol)
