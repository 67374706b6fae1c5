"""What the daemon says while it works: one line each on stderr, which journald keeps with its priority."""

import os
import sys

from pratique.model import Event
from pratique.runs import escape, redact
from pratique.words import Action

NOTICE, WARNING, ERROR = 5, 4, 3
_SHOWN = ("path", "exe", "address", "port", "name", "request")


def say(text: str, priority: int = NOTICE) -> None:
    """Write one line; hostile text can neither move the cursor nor begin a line of its own."""
    line = escape.harmless_line("pratiqued: " + escape.visible(text))
    prefix = f"<{priority}>" if os.environ.get("JOURNAL_STREAM") else ""
    sys.stderr.write(f"{prefix}{line}\n")
    sys.stderr.flush()


def finding(event: Event, purl: str | None, run: str) -> str:
    """One line about an act that a rule minded."""
    done = {Action.AUDIT: "audited", Action.DENY: "denied", Action.KILL: "killed"}[event.action]
    act = event.act.word if event.act else event.kind.value
    shown = " ".join(str(event.target[key]) for key in _SHOWN if event.target.get(key) is not None)
    who = purl or f"an unknown {event.actor.word} (pid {event.pid})"
    return f"{done} {act} {redact.path(shown)} by {who}, {event.stage.word}, rule {event.rule}, run {run}"
